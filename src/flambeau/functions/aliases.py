"""Names that the package's top level shows of other rooms and of the tensor, loaded when asked for."""

from __future__ import annotations

from ..core.tensor import Tensor

FUNCTIONAL = """
    adaptive_avg_pool1d avg_pool1d bilinear celu celu_ channel_shuffle conv1d conv2d conv3d conv_transpose1d
    conv_transpose2d conv_transpose3d cosine_similarity hardshrink max_pool1d max_pool2d max_pool3d
    pairwise_distance pdist pixel_shuffle pixel_unshuffle prelu relu_ rms_norm selu selu_ threshold threshold_
"""
"""As in `nn.functional`."""

NATIVE = """
    adaptive_max_pool1d alpha_dropout alpha_dropout_ batch_norm binary_cross_entropy_with_logits
    constant_pad_nd conv_tbc convolution cosine_embedding_loss dropout dropout_ embedding
    feature_alpha_dropout feature_alpha_dropout_ feature_dropout feature_dropout_ group_norm
    hinge_embedding_loss instance_norm kl_div layer_norm margin_ranking_loss max_pool1d_with_indices
    norm_except_dim poisson_nll_loss rrelu rrelu_ triplet_margin_loss
"""
"""With other arguments than in `nn.functional`."""

METHODS = """
    abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ as_strided_ asin_ asinh_ atan_
    atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_ deg2rad_ detach detach_ erf_
    erfc_ exp2_ exp_ expm1_ fill_ fix_ floor_ frac_ gcd_ i0_ index_put_ lcm_ ldexp_ log10_ log1p_ log2_ log_
    logit_ nan_to_num_ neg_ negative_ rad2deg_ reciprocal_ round_ rsqrt_ sigmoid_ sin_ sinc_ sinh_ sqrt_
    square_ tan_ tanh_ trunc_ xlogy_ zero_
"""
"""The tensor's methods."""

PLACES = {
    **dict.fromkeys(FUNCTIONAL.split(), ".nn.functional"),
    **dict.fromkeys(NATIVE.split(), ".nn.functional.native"),
    **dict.fromkeys(METHODS.split(), ".functions.aliases"),
}
"""The module, from the package's top level, that has each of them."""


def __getattr__(name: str) -> object:
    if name in METHODS.split():
        return getattr(Tensor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

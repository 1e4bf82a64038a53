GradcheckError=Exception
def gradcheck():pass
def gradgradcheck():pass

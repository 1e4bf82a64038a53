"""From a program to native code: passes over the graph, fusion into kernels, schedule and memory plan."""

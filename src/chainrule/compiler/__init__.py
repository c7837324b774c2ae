"""A graph becomes native code: passes over the graph, kernels, LLVM IR, an executable. It knows no layer or loss."""

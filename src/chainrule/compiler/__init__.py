"""A graph becomes native code: kernels, LLVM IR, an executable. It knows no layer or loss."""

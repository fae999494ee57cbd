"""OpenVINO: its session, its trace, kernels on layers."""

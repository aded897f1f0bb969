"""The environments: eight MuJoCo tasks, any Gymnasium id, and a probe whose optimum is known."""

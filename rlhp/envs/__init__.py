"""The environments: eight MuJoCo tasks, seven Atari games, any Gymnasium id, and a probe environment with a known optimum."""

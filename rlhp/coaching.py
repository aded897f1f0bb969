"""Learning a policy from feedback on what it does, without a reward."""

from __future__ import annotations

from rlhp.types import Agent, Run, Trainer


def coach(agent: Agent, trainer: Trainer, run: Run, *, total_steps: int) -> None:
    """COACH (MacGlashan et al. 2017): the agent acts, somebody watches, and what they say of an action stands for its advantage.

    TAMER (Knox and Stone 2009) is the same loop around an agent that predicts the feedback. `total_steps` counts environment
    steps.
    """
    for rollout in agent.rollouts(total_steps):  # the policy acts
        step = agent.num_timesteps
        run.log(step, rollout.metrics())
        run.log(step, agent.update(trainer(rollout, step)))  # feedback comes, and the policy moves
        run.end_step(step)

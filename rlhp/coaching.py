"""Learning a policy from feedback on its actions, without a reward."""

from __future__ import annotations

from rlhp.types import Agent, Run, Trainer


def coach(agent: Agent, trainer: Trainer, run: Run, *, total_steps: int) -> None:
    """COACH (MacGlashan et al. 2017): a trainer watches the agent, and the feedback on an action replaces its advantage.

    TAMER (Knox and Stone 2009) is the same loop with an agent that predicts the feedback. `total_steps` are environment steps.
    """
    for rollout in agent.rollouts(total_steps):  # the policy acts
        step = agent.num_timesteps
        run.log(step, rollout.metrics())
        run.log(step, agent.update(trainer(rollout, step)))  # the trainer gives feedback, and the policy is updated
        run.end_step(step)

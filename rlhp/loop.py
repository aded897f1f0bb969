"""The paper's Figure 1."""

from __future__ import annotations

from rlhp.types import Agent, Effort, Memory, Reward, Run, Schedule, Select, Store, Teacher


def learn(
    agent: Agent,
    memory: Memory,
    select: Select,
    teacher: Teacher,
    store: Store,
    reward: Reward,
    schedule: Schedule,
    effort: Effort,
    run: Run,
    *,
    total_steps: int,
    max_open: int | None,
) -> None:
    """Learn from preferences until `total_steps`; process 1 acts, 2 asks, 3 fits (section 2.2).

    Until the initial labels are taken the policy is not updated: the random initial policy keeps exploring, so there is no
    separate pre-training. `max_open` is how many questions may be unanswered before the loop waits; None: never wait.
    """
    for rollout in agent.rollouts(total_steps):  # 1  the policy acts
        step, fitted = agent.num_timesteps, store.taken >= schedule(0)
        run.log(step, rollout.metrics())
        memory.add(rollout)  #    trajectories flow 1 -> 2
        wanted = schedule(step if store.asked >= schedule(0) else 0)  #    first the initial questions, whenever they come
        store.ask(select(memory, wanted - store.asked, reward, step), step)  # 2  clips are put to the teacher
        store.answer(teacher(store.open(), step))  #    what the teacher can say now
        store.wait(max_open)  #    the one place that waits
        predicted = reward(rollout)  #    r-hat as it was fitted last
        run.log(step, reward.fit(store.take(step), effort(step, store.taken)))  # 3  r-hat fits the answers so far
        run.log(step, {"asked": store.asked, "labels": store.taken})
        if fitted:
            run.log(step, rollout.against(predicted))
            run.log(step, agent.update(predicted))  # 1  the policy maximises r-hat
        run.tick(step)

"""The paper's Figure 1."""

from __future__ import annotations

from collections.abc import Callable

from rlhp.types import (
    Agent,
    Comparisons,
    Evidence,
    Memory,
    QuerySelector,
    Reward,
    Rollout,
    Run,
    Schedule,
    Segment,
    Stopped,
    Store,
    Teacher,
    TrainingSchedule,
    Transitions,
    all_at_once,
)


def learn(
    agent: Agent,
    memory: Memory,
    query_selector: QuerySelector,
    teacher: Teacher,
    store: Store,
    reward: Reward,
    schedule: Schedule,
    training_schedule: TrainingSchedule,
    run: Run,
    *,
    total_steps: int,
    max_pending: int | None,
    demonstrations: Transitions | None = None,
    demonstrate: Callable[[Memory, Store, int], None] = lambda memory, store, step: None,
) -> None:
    """Learn from preferences until `total_steps`; process 1 acts, 2 asks, 3 fits (section 2.2).

    Until the initial labels are used the policy is not updated: the random initial policy keeps exploring, so there is no
    separate pre-training. `max_pending` is how many queries may be unanswered before the loop waits; None: never wait. Whatever
    it is, the loop waits for the initial labels and, at the end, for every answer, unless the teacher needs time to answer.
    """
    first = schedule(0)
    for rollout in agent.rollouts(total_steps):  # 1  the policy acts
        step, fitted, held = agent.num_timesteps, store.used >= first, len(memory)
        run.log(step, rollout.metrics())
        memory.add(rollout)  #    trajectories flow 1 -> 2
        demonstrate(memory, store, step)  #    comparisons that come from demonstrations
        wanted = schedule(step if store.asked >= first else 0) - store.asked  #    the initial queries come first
        together = all_at_once(store.asked, _grows(memory, held), step, total_steps)
        store.ask(_select(query_selector, memory, wanted, reward, step, together), step)  # 2  the teacher is asked
        store.answer(teacher(store.unanswered(), step))  #    and answers what it can
        _wait(store, teacher, max_pending, first, over=step >= total_steps)  #    the one place that waits
        predicted = reward(rollout)  #    r-hat of the last fit
        run.log(step, reward.fitted())  #    and the metrics of that fit
        behaviour = agent.behaviour() if getattr(reward, "watches", False) else None
        evidence = Evidence(store.collect(step), behaviour, demonstrations)
        labelled = store.used >= first
        reward.begin(evidence, training_schedule(step, store.used) if labelled else 0)  # 3  r-hat fits the answers so far
        run.log(step, {"asked": store.asked, "labels": store.used})
        run.warn("clips", _too_few_clips(rollout, memory, schedule(step) - store.asked, over=step >= total_steps))
        run.warn("answers", _nothing_preferred(evidence.comparisons, store.used if labelled else 0))
        if fitted:
            run.log(step, rollout.reward_metrics(predicted))
            run.log(step, agent.update(predicted))  # 1  the policy maximises r-hat
        run.end_step(step)


def _grows(memory: Memory, held: int) -> bool:
    """Whether memory has more segments than the `held` of before, or pending steps to cut segments from."""
    return len(memory) > held or getattr(memory, "pending", 0) > 0


def _select(
    query_selector: QuerySelector, memory: Memory, n: int, reward: Reward, step: int, together: bool
) -> list[tuple[Segment, ...]]:
    """Select n queries. With too few segments in memory: none if `together`, else try n / 2, n / 4, ..."""
    while n > 0:
        if (queries := query_selector(memory, n, reward, step)) or together:
            return queries
        n //= 2
    return []


def _wait(store: Store, teacher: Teacher, max_pending: int | None, first: int, over: bool) -> None:
    """Wait until at most `max_pending` queries are unanswered; for the initial and the last labels, until none is.

    An interrupt during the wait for the last answers ends the wait and not the run, which then uses the answers it has. A
    request to stop training lets this round finish first, except the last one: the resumed run waits for its missing answers
    again.
    """
    waits_for_all = over or store.used < first <= store.asked
    if getattr(teacher, "needs_time", False):
        store.wait(max_pending)
        return
    try:
        store.wait(0 if waits_for_all else max_pending)
    except KeyboardInterrupt:
        if not over:
            raise
        store.settle()
    except Stopped:
        if over:
            raise


def _too_few_clips(rollout: Rollout, memory: Memory, missing: int, over: bool) -> str:
    """Explain why `missing` queries cannot be asked; empty while they still may be."""
    holds = _grows(memory, 0) or len(memory.heldout) > 0
    if missing <= 0 or (holds and not over):
        return ""
    apart = f"{rollout.between_resets():g} steps (median)"
    if not holds:
        return f"no clip fits: an environment is reset, or a rollout ends, every {apart}; lower clip_steps"
    way = f"train for longer, lower query.min_segments_per_label or, with resets every {apart}, lower clip_steps"
    return f"memory held too few clips for {missing} queries; {way}"


def _nothing_preferred(comparisons: Comparisons, used: int) -> str:
    """Explain why nothing can be learned from the answers so far; empty if something can."""
    if not used or comparisons.decided().any():
        return ""
    return (
        f"all {used} answers so far are 'equal' or 'cannot tell', so there is no reward to learn; a teacher that compares true "
        "returns cannot tell clips apart if every step has the same reward"
    )

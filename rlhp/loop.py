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
    """Whether memory has more clips than it held, or steps that clips will be cut from."""
    return len(memory) > held or getattr(memory, "pending", 0) > 0


def _select(
    query_selector: QuerySelector, memory: Memory, n: int, reward: Reward, step: int, together: bool
) -> list[tuple[Segment, ...]]:
    """n questions. Where memory holds too little: none if they are to be asked `together`, else half of them, a quarter, ..."""
    while n > 0:
        if (questions := query_selector(memory, n, reward, step)) or together:
            return questions
        n //= 2
    return []


def _wait(store: Store, teacher: Teacher, max_pending: int | None, first: int, over: bool) -> None:
    """Wait until few enough questions are unanswered: `max_pending`, or none while a label is one of the first or the last.

    An interrupt ends the waiting for the last answers, not the run: those that are there are used. Where the training is asked to
    stop, this round is finished first; the last one is not, as the missing answers are to be waited for again.
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
    """Why `missing` questions are not asked, if that is certain."""
    holds = _grows(memory, 0) or len(memory.heldout) > 0
    if missing <= 0 or (holds and not over):
        return ""
    apart = f"{rollout.between_resets():g} steps (median)"
    if not holds:
        return f"no clip fits: an environment is reset, or a rollout ends, every {apart}; lower clip_steps"
    way = f"train for longer, lower query.min_segments_per_label or, with resets every {apart}, lower clip_steps"
    return f"memory held too few clips for {missing} questions; {way}"


def _nothing_preferred(comparisons: Comparisons, taken: int) -> str:
    """Why there is nothing to learn from the answers so far, if that is so."""
    if not taken or comparisons.decided().any():
        return ""
    return (
        f"all {taken} answers so far are 'equal' or 'cannot tell', so there is no reward to learn; a teacher that adds up the "
        "true reward cannot tell clips apart where every step pays the same"
    )

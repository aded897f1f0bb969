"""Threads that share out work."""

import threading

import pytest

from rlhp.crew import Crew


@pytest.mark.parametrize("threads", [1, 3])
def test_every_item_once_and_in_order(threads):
    crew = Crew(threads)
    assert crew.map(lambda x: x * x, range(50)) == [x * x for x in range(50)]
    crew.close()
    assert crew.map(str, range(3)) == ["0", "1", "2"]


def test_helpers_work_while_the_caller_does_something_else():
    crew, done = Crew(2), threading.Event()
    crew.start(done.set)
    assert done.wait(timeout=10)
    crew.finish(lambda: None)


def test_threads_work_at_the_same_time():
    crew, met = Crew(2), threading.Barrier(2)
    assert sorted(crew.map(lambda _: met.wait(timeout=10), range(2))) == [0, 1]


def test_what_a_helper_raises_reaches_the_caller_and_the_crew_lives_on():
    crew, caller = Crew(2), threading.current_thread()

    def work():
        if threading.current_thread() is not caller:
            raise ZeroDivisionError

    crew.start(work)
    with pytest.raises(ZeroDivisionError):
        crew.finish(work)
    assert crew.map(abs, [-1]) == [1]


def test_a_forgotten_crew_is_let_go():
    before = set(threading.enumerate())
    crew = Crew(4)
    crew.map(abs, range(8))
    helpers = set(threading.enumerate()) - before
    assert len(helpers) == 3
    del crew
    for helper in helpers:
        helper.join(timeout=10)
    assert not any(helper.is_alive() for helper in helpers)

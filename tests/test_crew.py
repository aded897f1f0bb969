"""Threads that share out work."""

import subprocess
import sys
import threading

import pytest

from rlhp.thread_pool import ThreadPool


def together(crew, items):
    """The items, each with its square, as the threads took them."""
    waiting, done = iter(items), []

    def work():
        for item in waiting:
            done.append((item, item * item))

    crew.start(work)
    crew.finish(work)
    return done


@pytest.mark.parametrize("threads", [1, 3])
def test_every_item_is_done_once(threads):
    crew = ThreadPool(threads)
    assert sorted(together(crew, range(50))) == [(x, x * x) for x in range(50)]
    crew.close()
    assert together(crew, range(3)) == [(0, 0), (1, 1), (2, 4)]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("items", [[], [4], [3, 1, 2, 5]])
def test_results_come_in_the_order_of_the_items(threads, items):
    assert ThreadPool(threads).map(lambda x: x * x, items) == [x * x for x in items]


def test_items_are_shared_out():
    """Both at once, or neither would be done."""
    meeting = threading.Barrier(2)
    assert sorted(ThreadPool(2).map(lambda _: meeting.wait(timeout=10), "ab")) == [0, 1]


def test_what_an_item_raises_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        ThreadPool(2).map(lambda x: 1 / x, [1, 0, 2])


def test_helpers_work_while_the_caller_does_something_else():
    crew, done = ThreadPool(2), threading.Event()
    crew.start(done.set)
    assert done.wait(timeout=10)
    crew.finish(lambda: None)


def test_threads_work_at_the_same_time():
    crew, meeting = ThreadPool(2), threading.Barrier(2)
    crew.start(lambda: meeting.wait(timeout=10))
    crew.finish(lambda: meeting.wait(timeout=10))
    assert not meeting.broken


def test_what_a_helper_raises_reaches_the_caller_and_the_crew_lives_on():
    crew = ThreadPool(2)
    crew.start(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        crew.finish(lambda: None)
    assert together(crew, [3]) == [(3, 9)]


def test_a_forgotten_crew_is_let_go():
    before = set(threading.enumerate())
    crew = ThreadPool(4)
    together(crew, range(8))
    helpers = set(threading.enumerate()) - before
    assert len(helpers) == 3
    del crew
    for helper in helpers:
        helper.join(timeout=10)
    assert not any(helper.is_alive() for helper in helpers)


LEAVING = """
import sys, time, torch
from rlhp.thread_pool import ThreadPool

def work():
    x, end = torch.ones(200, 200), time.monotonic() + 1
    while time.monotonic() < end:
        x = torch.tanh(x @ x)

crew = ThreadPool(2)
crew.start(work)
time.sleep(0.2)
sys.exit(7)
"""


def test_a_program_that_ends_while_a_helper_works_ends_as_it_says():
    ended = subprocess.run([sys.executable, "-c", LEAVING], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (7, "")

"""A thread pool."""

import subprocess
import sys
import threading

import pytest

from rlhp.thread_pool import ThreadPool


def together(pool, items):
    """The items, each with its square, as the threads took them."""
    waiting, done = iter(items), []

    def work():
        for item in waiting:
            done.append((item, item * item))

    pool.start(work)
    pool.finish(work)
    return done


@pytest.mark.parametrize("threads", [1, 3])
def test_every_item_is_done_once(threads):
    pool = ThreadPool(threads)
    assert sorted(together(pool, range(50))) == [(x, x * x) for x in range(50)]
    pool.close()
    assert together(pool, range(3)) == [(0, 0), (1, 1), (2, 4)]


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


def test_workers_work_while_the_caller_does_something_else():
    pool, done = ThreadPool(2), threading.Event()
    pool.start(done.set)
    assert done.wait(timeout=10)
    pool.finish(lambda: None)


def test_threads_work_at_the_same_time():
    pool, meeting = ThreadPool(2), threading.Barrier(2)
    pool.start(lambda: meeting.wait(timeout=10))
    pool.finish(lambda: meeting.wait(timeout=10))
    assert not meeting.broken


def test_what_a_worker_raises_reaches_the_caller_and_the_pool_still_works():
    pool = ThreadPool(2)
    pool.start(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pool.finish(lambda: None)
    assert together(pool, [3]) == [(3, 9)]


def test_an_unused_pool_is_collected():
    before = set(threading.enumerate())
    pool = ThreadPool(4)
    together(pool, range(8))
    workers = set(threading.enumerate()) - before
    assert len(workers) == 3
    del pool
    for worker in workers:
        worker.join(timeout=10)
    assert not any(worker.is_alive() for worker in workers)


LEAVING = """
import sys, threading, time, torch
from rlhp.thread_pool import ThreadPool

working = threading.Event()

def work():
    working.set()
    x, end = torch.ones(200, 200), time.monotonic() + 1
    while time.monotonic() < end:
        x = torch.tanh(x @ x)

pool = ThreadPool(2)
pool.start(work)
working.wait()
sys.exit(7)
"""


def test_a_program_that_ends_while_a_worker_works_ends_as_it_says():
    ended = subprocess.run([sys.executable, "-c", LEAVING], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (7, "")

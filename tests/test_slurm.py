"""A sweep as a job array of a real Slurm: one node, in namespaces of its own, set up for the test and gone after it.

On Debian or Ubuntu, as root:

    apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge iproute2
    RLHP_SLURM=1 .venv/bin/pytest -q -rs tests/test_slurm.py
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import pytest
from test_sweeps import as_if_never_stopped, attempts, begun, ended_well, probe, reach, sweep_command

__all__ = ["probe"]  # the fixture

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "scontrol", "munged", "ip", "unshare", "nsenter")
SBIN = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # where Debian keeps daemons
NAMESPACES = ("--mount", "--uts", "--net", "--pid")
LONGER = "total_steps=163840"  # the second job is still at it when the first has been queued again
CONF = """
ClusterName=one
SlurmctldHost=node
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={at}/munge.socket,cred_expire=5
StateSaveLocation={at}/state
SlurmdSpoolDir={at}/spool
SlurmctldPidFile={at}/slurmctld.pid
SlurmdPidFile={at}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=1
NodeName=node CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
# Slurm wants a host name that leads to an address other than the loopback's.
NODE = """
hostname node
ip link set lo up
ip address add 10.11.12.13/32 dev lo
echo 10.11.12.13 node > hosts
mount --bind hosts /etc/hosts
munged --force --key-file=$PWD/munge.key --socket=$PWD/munge.socket --pid-file=$PWD/munge.pid \
    --log-file=$PWD/munge.log --seed-file=$PWD/munge.seed
slurmctld -L $PWD/slurmctld.log
slurmd -L $PWD/slurmd.log
exec sleep infinity
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of its own under this one, with Slurm on it."""

    pid: int  # of its first process
    folder: Path  # where commands are run
    variables: dict[str, str]

    def command(self, *words: str) -> list[str]:
        """What runs a command on it."""
        variables = [f"{name}={value}" for name, value in self.variables.items()]
        return ["env", *variables, "nsenter", f"--target={self.pid}", f"--wd={self.folder}", *NAMESPACES, *words]

    def says(self, *words: str) -> str:
        """The output of a command on it."""
        return subprocess.run(self.command(*words), check=True, capture_output=True, text=True).stdout


def lacking() -> str | None:
    """Why there can be no node here, or is none wanted."""
    if not os.environ.get("RLHP_SLURM"):
        return "takes some minutes, for Slurm keeps a job that is queued again waiting: set RLHP_SLURM=1"
    if missing := [name for name in PROGRAMS if which(name, path=SBIN) is None]:
        return f"not installed: {', '.join(missing)}; see the top of this file"
    if os.geteuid() != 0:
        return "only root may set up a Slurm"
    refused = subprocess.run(["unshare", *NAMESPACES, "--fork", "true"], capture_output=True, text=True)
    return f"no namespaces here: {refused.stderr.strip()}" if refused.returncode else None


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    if reason := lacking():
        pytest.skip(reason)
    at = tmp_path / "slurm"
    for folder in (at, at / "state", at / "spool"):
        folder.mkdir()
    (at / "slurm.conf").write_text(CONF.format(at=at))
    (at / "munge.key").write_bytes(os.urandom(1024))
    (at / "munge.key").chmod(0o400)
    variables = {"PATH": SBIN, "SLURM_CONF": str(at / "slurm.conf")}
    command = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc", "sh", "-ec", NODE]
    with subprocess.Popen(command, cwd=at, env={**os.environ, **variables}) as process:
        try:
            yield ready(process, variables, at)
        finally:
            process.kill()


def ready(process: subprocess.Popen[bytes], variables: dict[str, str], at: Path) -> Node:
    """The node, once it takes jobs."""
    for _ in range(600):
        assert process.poll() is None, "Slurm does not start"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children and (at / "slurmd.log").exists():
            node = Node(int(children[0]), at.parent, variables)
            seen = subprocess.run(node.command("sinfo", "--noheader", "--format=%T"), capture_output=True, text=True)
            if seen.stdout.strip() == "idle":
                return node
        time.sleep(0.1)
    raise AssertionError("".join(log.read_text() for log in at.glob("*.log")))


@pytest.mark.slow
def test_jobs_that_are_queued_again_go_on(probe: Path, node: Node) -> None:
    """One by hand, as an operator would, or Slurm itself for a job of higher rank; one by the signal that time is nearly up."""
    command = node.command(*sweep_command(probe, "hydra/launcher=slurm", "hydra.launcher.mem_gb=1", LONGER))
    with begun(command, probe) as process:
        reach(4096, probe, 1, process)
        (array,) = {job.partition("_")[0] for job in node.says("squeue", "--noheader", "--array", "--format=%i").split()}
        node.says("scontrol", "requeue", f"{array}_0")
        reach(4096, probe, 2, process)
        node.says("scancel", f"--signal={signal.SIGUSR2.name}", f"{array}_1")
        ended_well(process, probe)
    assert [len(attempts(probe, seed)) for seed in (1, 2)] == [2, 2]
    as_if_never_stopped(probe, LONGER)

"""A Slurm of one node on this machine, from Debian's packages slurmctld, slurmd, slurm-client and
munge; it needs root and no systemd.

`python -m tests.clusters.slurm_node` starts one and prints what to set to use it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CONFIG = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
KillWait=5
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def slurm_node() -> Iterator[dict[str, str]]:
    """Start the daemons in a folder of their own; the environment that makes commands use them."""
    folder = Path(tempfile.mkdtemp(prefix="lhlbench-slurm-"))
    config, key = folder / "slurm.conf", folder / "munge.key"
    try:
        for name in ("state", "spool"):
            (folder / name).mkdir()
        config.write_text(_CONFIG.format(host=socket.gethostname().partition(".")[0],
                                         folder=folder, ctld_port=_free_port(),
                                         slurmd_port=_free_port()))
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(1024))
        environment = {"SLURM_CONF": str(config)}
        everything = {**os.environ, **environment}
        subprocess.run(["munged", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket",
                        f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log",
                        f"--seed-file={folder}/munge.seed"], check=True)
        for daemon in ("slurmctld", "slurmd"):
            subprocess.run([daemon], env=everything, check=True)
        _wait_until_idle(everything)
        yield environment
    finally:
        for name in ("slurmd", "slurmctld", "munged"):
            _end(folder / f"{name}.pid")
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_until_idle(environment: dict[str, str]) -> None:
    end = time.monotonic() + 30
    command = ["sinfo", "--noheader", "--format=%T"]
    while (state := subprocess.run(command, env=environment, capture_output=True,
                                   text=True).stdout.strip()) != "idle":
        assert time.monotonic() < end, f"the node is {state or 'not there'}"
        time.sleep(0.2)


def _end(pid_file: Path) -> None:
    """End the daemon that wrote a file with its process id, and wait until it has ended."""
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text())
    try:
        os.kill(pid, 15)
        for _ in range(100):
            os.kill(pid, 0)
            time.sleep(0.1)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    with slurm_node() as found:
        print(*(f"export {name}={value}" for name, value in found.items()), sep="\n", flush=True)
        try:
            while True:
                time.sleep(60)
        except KeyboardInterrupt:
            print("ended")

#!/usr/bin/env python3
"""A Slurm cluster of several nodes on this machine, on the loopback address, without systemd, for tests:

    cluster.py COMMAND...      starts it, runs a command in it (such as 'bash'), ends it

All its files are in a temporary folder, also munge's key and socket: nothing of an installed cluster is used or
changed. A node is a slurmd below a process that adopts whatever the node's jobs leave behind; so a node can die as a
machine does, and only what was started here is ever ended. Needs Debian's slurm-wlm and munge. Of the nodes' processors
and memory nothing is real: they are what the configuration says.
"""

import contextlib
import ctypes
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PROGRAMS = ["munged", "munge", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo"]
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def missing_programs():
    """The programs that a cluster needs and this machine lacks."""
    return [name for name in PROGRAMS if not shutil.which(name, path=PATH)]


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _prctl(option, value):
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _end_with_parent(number=signal.SIGKILL):
    """Lets this process end when the one that started it does."""
    _prctl(1, number)  # PR_SET_PDEATHSIG


class Cluster:
    """Several nodes; ends with its 'with' block.

    nodes: the number of nodes, called n1, n2, and so on, each of two processors.
    settings: further lines of slurm.conf.
    partition: further settings of the partition 'all'.
    scratch: the size of each node's own scratch disk in bytes; None for folders without a limit. Needs root.
    """

    def __init__(self, nodes=3, settings=(), partition="", scratch=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="anytime-cluster-"))
        self.names = [f"n{number}" for number in range(1, nodes + 1)]
        self.processes, self.mounts = {}, []
        self.environment = dict(os.environ, PATH=PATH, SLURM_CONF=str(self.folder / "slurm.conf"))
        for name in [name for name in self.environment if name.startswith(("SLURM_", "SBATCH_", "SQUEUE_"))]:
            if name != "SLURM_CONF":
                del self.environment[name]
        try:
            self._configure(settings, partition)
            self._make_scratch(scratch)
            self._start_munge()
            self._start("slurmctld", ["slurmctld", "-D", "-i", "-f", str(self.folder / "slurm.conf")])
            self._wait(lambda: self.ask("scontrol", "ping", check=False).find("UP") >= 0, "slurmctld does not answer")
            for name in self.names:
                self.start_node(name)
            for name in self.names:
                self.wait_for_node(name, "IDLE")
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()

    # Configuration

    def _configure(self, settings, partition):
        self.folder.chmod(0o755)
        user = pwd.getpwuid(os.getuid()).pw_name
        controller, *ports = _free_ports(1 + len(self.names))
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        prolog = self.folder / "prolog.sh"
        prolog.write_text(f'#!/bin/sh\necho "export SLURM_TMPDIR={self.folder}/scratch/$SLURMD_NODENAME"\n')
        prolog.chmod(0o755)
        for name in ["state", "spool"]:
            (self.folder / name).mkdir()
        lines = [
            f"ClusterName=anytime-{os.getpid()}",
            f"SlurmctldHost={socket.gethostname()}(127.0.0.1)",
            f"SlurmUser={user}",
            f"SlurmdUser={user}",
            f"SlurmctldPort={controller}",
            "AuthType=auth/munge",
            # A requeued job waits as long as a credential is valid.
            f"AuthInfo=socket={self.folder}/munge.socket,cred_expire=5",
            f"StateSaveLocation={self.folder}/state",
            f"SlurmdSpoolDir={self.folder}/spool/%n",
            f"SlurmctldPidFile={self.folder}/slurmctld.pid",
            f"SlurmdPidFile={self.folder}/%n.pid",
            f"TaskProlog={prolog}",
            "MpiDefault=none",
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "SwitchType=switch/none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_CPU",
            "SchedulerType=sched/backfill",
            "SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0",
            "SlurmdParameters=config_overrides",
            "JobCompType=jobcomp/none",
            "AccountingStorageType=accounting_storage/none",
            "JobRequeue=1",
            "ReturnToService=1",
            "SlurmdTimeout=10",
            "KillWait=10",
        ]
        for name, port in zip(self.names, ports):
            lines.append(f"NodeName={name} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port} CPUs=2")
        lines.append(f"PartitionName=all Nodes={','.join(self.names)} Default=YES MaxTime=60 State=UP {partition}")
        (self.folder / "slurm.conf").write_text("\n".join([*lines, *settings]) + "\n")

    def _make_scratch(self, size):
        for name in self.names:
            folder = self.scratch(name)
            folder.mkdir(parents=True)
            if size is not None:
                subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
                self.mounts.append(folder)

    def scratch(self, name):
        """The scratch disk of a node."""
        return self.folder / "scratch" / name

    # Starting and ending

    def _start(self, name, command):
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
                start_new_session=True, preexec_fn=lambda: _end_with_parent(signal.SIGTERM))

    def _start_munge(self):
        self._start("munged", [
            "munged", "--foreground", "--force", "--num-threads=2", f"--key-file={self.folder}/munge.key",
            f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munge.pid",
            f"--seed-file={self.folder}/munge.seed"])
        self._wait((self.folder / "munge.socket").exists, "munged does not start")

    def start_node(self, name):
        """Starts a node, also one that has crashed."""
        self._start(name, [sys.executable, os.path.abspath(__file__), "--node", name, str(self.folder / "slurm.conf")])

    def crash(self, name):
        """Ends all processes of a node at once, as a machine that loses its power; its scratch disk is lost."""
        self._end(self.processes.pop(name))
        self.empty(name)

    def kill_slurmd(self, name):
        """Kills a node's slurmd; its jobs go on, and a second later there is a new one."""
        os.kill(int((self.folder / f"{name}.slurmd").read_text()), signal.SIGKILL)

    def fill(self, name):
        """Fills a node's scratch disk to the last byte."""
        with contextlib.suppress(OSError), open(self.scratch(name) / "filling", "wb", buffering=0) as file:
            while file.write(b"x" * (1 << 16)):
                pass

    def empty(self, name):
        """Removes all files from a node's scratch disk."""
        for entry in self.scratch(name).iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    @staticmethod
    def _end(process):
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop(self):
        """Ends all that was started, and removes the folder."""
        for name in reversed(list(self.processes)):
            self._end(self.processes.pop(name))
        for folder in self.mounts:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    # Questions

    def _wait(self, condition, complaint, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended:\n" + (self.folder / f"{name}.log").read_text()[-2000:])
            if time.monotonic() > end:
                raise TimeoutError(complaint)
            time.sleep(0.2)

    def run(self, *command, **options):
        """Runs a command in the cluster."""
        return subprocess.run(command, env=self.environment, text=True, capture_output=True, **options)

    def ask(self, *command, check=True):
        """Runs a command and returns what it prints."""
        outcome = self.run(*command)
        if check and outcome.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {outcome.stderr.strip()}")
        return outcome.stdout

    def state(self, name):
        """The state of a node, such as IDLE."""
        text = self.ask("scontrol", "show", "node", name)
        return text.split("State=")[1].split()[0]

    def wait_for_node(self, name, *states, seconds=90):
        """Waits until a node's state begins with one of some words."""
        self._wait(lambda: self.state(name).startswith(states), f"{name} does not become {states}", seconds)

    def queue(self):
        """The jobs of the queue: of each array task (job, task, state, node)."""
        lines = self.ask("squeue", "--noheader", "--array", "--format=%F|%K|%T|%N").splitlines()
        return [tuple(line.split("|")) for line in lines]

    def wait_for_queue(self, condition, complaint, seconds=300):
        """Waits until the queue fulfils a condition."""
        self._wait(lambda: condition(self.queue()), complaint, seconds)


def _node(name, configuration):
    """A node: a slurmd, and all processes that its jobs start. Ends with all of them."""
    _end_with_parent(signal.SIGTERM)
    _prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans below become children of this process
    folder = pathlib.Path(configuration).parent
    children = None

    def start():
        child = subprocess.Popen(["slurmd", "-D", "-N", name, "-f", configuration], stdin=subprocess.DEVNULL)
        (folder / f"{name}.slurmd").write_text(str(child.pid))
        return child

    def descendants():
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    stat = pathlib.Path("/proc", entry, "stat").read_text()
                    parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
        found, rest = [], [os.getpid()]
        while rest:
            below = parents.get(rest.pop(), [])
            found += below
            rest += below
        return found

    def end(number, frame):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for _ in range(100):
            rest = descendants()
            for process in rest:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0] != 0:
                    pass
            if not rest:
                break
            time.sleep(0.02)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    slurmd = start()
    while True:
        # Adopted orphans end here too.
        try:
            process, _ = os.waitpid(-1, 0)
        except ChildProcessError:
            process = slurmd.pid
        if process == slurmd.pid:
            time.sleep(1)
            slurmd = start()


def main():
    if sys.argv[1:2] == ["--node"]:
        _node(*sys.argv[2:4])
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    if missing_programs():
        sys.exit(f"there is no {', '.join(missing_programs())}; as root, run: apt-get install slurm-wlm munge")
    with Cluster() as cluster:
        sys.exit(subprocess.run(sys.argv[1:], env=cluster.environment).returncode)


if __name__ == "__main__":
    main()

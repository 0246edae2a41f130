#!/usr/bin/env python3
"""An experiment on a real Slurm cluster whose nodes fail: the result is that of a single process, to the bit.

    Tests/Cluster/test_cluster.py [--anytime PROGRAM]
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

from cluster import Cluster, missing_programs

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / ".build/release/anytime"

# A one-shot run takes some ten seconds, the others some milliseconds.
EXPERIMENT = """
name: cluster
space: mini
horizon: 500
seeds: 40
methods:
  - random-search
  - regularized-evolution: {population: 20, sample: 5}
  - tpe
  - gdas: {preset: quick, epochs: 12, seeds: 10}
  - pc-darts: {preset: quick, epochs: 12, warm-start-epochs: 0, seeds: 10}
"""
TASKS = 10
RUNS = 3 * 40 + 2 * 10


@unittest.skipIf(missing_programs(), "there is no Slurm; as root, run: apt-get install slurm-wlm munge")
class ClusterTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="anytime shared ")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "cluster.yaml").write_text(EXPERIMENT)

    def anytime(self, *words, environment=None, status=0):
        """Runs the program, and returns what it prints."""
        outcome = subprocess.run(
            [str(PROGRAM), *words], cwd=self.folder, env=environment, text=True, capture_output=True)
        self.assertEqual(outcome.returncode, status, f"{words}: {outcome.stdout}{outcome.stderr}{self.logs()}")
        return outcome.stdout

    def logs(self):
        """All logs of jobs, for messages."""
        logs = sorted((self.folder / "cluster.slurm/logs").glob("*.log"))
        return "".join(f"\n== {log.name}\n{log.read_text()}" for log in logs)

    def status(self, cluster):
        return json.loads(self.anytime("slurm", "status", "cluster.yaml", "--json", environment=cluster.environment))

    def exports(self, store):
        """All exports of a store, by their names."""
        for kind in ["curves", "trace"]:
            self.anytime("export", kind, store, "-o", f"{store}-exports")
        return {file.name: file.read_bytes() for file in (self.folder / f"{store}-exports").iterdir()}

    def submit(self, cluster, *options):
        return self.anytime("slurm", "cluster.yaml", *options, "--submit", environment=cluster.environment)

    def running(self, cluster, node):
        """The running array tasks of a node, as Slurm names them."""
        return [f"{job}_{task}" for job, task, state, place in cluster.queue() if (state, place) == ("RUNNING", node)]

    def wait(self, condition, complaint, seconds=120):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, complaint + self.logs())
            time.sleep(0.3)

    def stored(self, count):
        """Whether so many tasks have stored something on the shared disk."""
        return lambda: len(list(self.folder.glob("cluster.slurm/tasks/*/runs.sqlite"))) >= count

    def test_an_experiment_survives_whatever_happens_to_its_tasks(self):
        is_root = os.getuid() == 0
        # Seven tasks in an array at most, so that ten tasks are two arrays.
        with Cluster(nodes=3, settings=["MaxArraySize=8"], scratch=200 << 20 if is_root else None) as cluster:
            answer = self.submit(cluster, "--tasks", str(TASKS), "--least-minutes", "0", "--time", "20")
            self.assertRegex(answer, r"Submitted: tasks in job \d+ \d+, to be merged by job \d+\.")
            self.wait(lambda: all(len(self.running(cluster, node)) == 2 for node in cluster.names), "tasks do not run")
            self.wait(self.stored(2), "nothing is stored")

            # Somebody cancels a task, and starts another again.
            cancelled, requeued = self.running(cluster, "n1")
            cluster.ask("scancel", cancelled)
            cluster.ask("scontrol", "requeue", requeued)
            # A slurmd dies; its tasks do not. A machine dies, with all that is on its disk.
            cluster.kill_slurmd("n2")
            cluster.crash("n3")
            cluster.wait_for_node("n3", "DOWN")
            cluster.start_node("n3")
            self.wait(lambda: len(self.running(cluster, "n2")) == 2, "no tasks run on n2")
            # A node is taken away.
            cluster.ask("scontrol", "update", "nodename=n2", "state=down", "reason=test")
            cluster.wait_for_node("n2", "DOWN")
            cluster.wait_for_node("n3", "MIXED", "ALLOC", "IDLE")
            cluster.ask("scontrol", "update", "nodename=n2", "state=resume")
            # A disk is full.
            if is_root:
                self.wait(lambda: self.running(cluster, "n1"), "no tasks run on n1")
                cluster.fill("n1")
            cluster.wait_for_queue(lambda queue: not queue, "jobs do not end")

            status = self.status(cluster)
            self.assertGreaterEqual(status["counts"]["failed"], 1)
            self.assertEqual(status["counts"]["running"] + status["counts"]["pending"], 0)
            self.assertLess(status["stored"], RUNS)
            failed = [task["task"] for task in status["tasks"] if task["state"] == "failed"]
            # The job that merges has merged what there is.
            self.anytime("store", "check", "cluster.yaml", status=1)

            if is_root:
                cluster.empty("n1")
            self.submit(cluster, "--least-minutes", "0", "--time", "20")
            self.wait(lambda: cluster.queue(), "nothing is submitted")
            begun = {task["task"] for task in self.status(cluster)["tasks"] if task["state"] in ("pending", "running")}
            self.assertLessEqual(begun, set(failed), "only what is missing is submitted")
            cluster.wait_for_queue(lambda queue: not queue, "jobs do not end")
            self.assertEqual(self.status(cluster)["counts"]["done"], TASKS, self.logs())
            self.assertIn("Nothing is missing", self.submit(cluster))
            self.assertEqual(cluster.queue(), [])
        self.anytime("store", "check", "cluster.yaml")
        self.assertIn("<title>", (self.folder / "cluster-report.html").read_text())
        self.assertFalse(list(self.folder.glob("**/*.partial")))

        self.anytime("run", "cluster.yaml", "--store", "alone.sqlite", "--quiet")
        merged, alone = self.exports("cluster.sqlite"), self.exports("alone.sqlite")
        self.assertEqual(merged.keys(), alone.keys())
        for name in merged:
            self.assertEqual(merged[name], alone[name], name)

    def test_a_task_goes_on_when_its_time_is_over_or_others_need_its_node(self):
        (self.folder / "cluster.yaml").write_text(
            EXPERIMENT.replace("epochs: 12,", "epochs: 160,").replace("seeds: 10", "seeds: 1")
            .replace("seeds: 40", "seeds: 4"))
        settings = [
            "PreemptType=preempt/partition_prio", "PreemptMode=REQUEUE",
            "PartitionName=urgent Nodes=n1 PriorityTier=10 State=UP"]
        with Cluster(nodes=1, settings=settings, partition="PriorityTier=1 GraceTime=10") as cluster:
            # Less than a run takes: the signal comes a minute before the end.
            self.submit(cluster, "--tasks", "2", "--least-minutes", "0", "--time", "2")
            logs = self.folder / "cluster.slurm/logs"

            def is_said(words):
                return any(words in log.read_text() for log in logs.glob("*_*.log"))

            self.wait(lambda: is_said("stopped by USR1"), "no signal comes", 180)
            self.wait(lambda: self.running(cluster, "n1"), "no task goes on", 180)
            cluster.ask(
                "sbatch", "--partition=urgent", "--cpus-per-task=2", "--output=/dev/null", "--wrap=sleep 5")
            self.wait(lambda: is_said("DUE TO PREEMPTION"), "nobody makes way")
            cluster.wait_for_queue(lambda queue: not queue, "jobs do not end", 900)
            self.assertEqual(self.status(cluster)["counts"]["done"], 2, self.logs())
        self.anytime("run", "cluster.yaml", "--store", "alone.sqlite", "--quiet")
        merged, alone = self.exports("cluster.sqlite"), self.exports("alone.sqlite")
        for name in alone:
            self.assertEqual(merged[name], alone[name], name)


if __name__ == "__main__":
    if "--anytime" in sys.argv:
        place = sys.argv.index("--anytime")
        PROGRAM = pathlib.Path(sys.argv[place + 1]).resolve()
        del sys.argv[place:place + 2]
    unittest.main()

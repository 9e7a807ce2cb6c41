"""Sweeps through a real Ray cluster of several nodes on this machine."""

from __future__ import annotations

import threading

import pytest
import ray
from ray.cluster_utils import Cluster

from benchmark.cli.app import invoke
from benchmark.record import load_record
from tests.sweep.test_processes import wait_for, words


@pytest.fixture
def cluster():
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield found
    ray.shutdown()
    found.shutdown()


def test_a_node_that_is_killed_loses_no_run_and_records_are_those_of_plain_runs(
        cluster, tiny, tmp_path, capsys):
    runs, epochs = tmp_path / "swept", 40
    _, lost = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)

    def kill_node():
        wait_for(lambda: len(list(runs.glob("*/boundary.safetensors"))) == 2)
        cluster.remove_node(lost, allow_graceful=False)

    thread = threading.Thread(target=kill_node)
    thread.start()
    assert invoke(words(runs, "--methods", "finetune,had", "--launcher", "ray", "--ray-address",
                        cluster.address, "--workers", "2", epochs=epochs)) == 0
    thread.join()
    err = capsys.readouterr().err
    assert "2 of 2 runs are done" in err
    assert err.count("seed 0: begins") == 3
    for folder in runs.iterdir():
        record = load_record(folder)
        alone = tiny(record.method.name, settings=[f"recipe.epochs={epochs}"]).record
        assert record.matrix == alone.matrix
    assert len(list(runs.iterdir())) == 2  # and nothing of the launcher's


def test_failures_and_wrong_requests_are_told(tmp_path, capsys):
    request = words(tmp_path / "swept", "--methods", "finetune", "--launcher", "ray")
    assert invoke([*request, "--ray", "cpus=2"]) == 2
    assert "write num_cpus, num_gpus or memory" in capsys.readouterr().err
    assert invoke([*request, "--ray-address", "127.0.0.1:1"]) == 2
    assert "--ray-address 127.0.0.1:1:" in capsys.readouterr().err
    assert invoke([*request, "--ray-address", "ray://there"]) == 2
    assert "write HOST:PORT of the head node" in capsys.readouterr().err

"""Signals that ask a run to stop, sent by the test to itself."""

from __future__ import annotations

import json
import signal

import pytest

from benchmark.engine.callbacks import Callback
from benchmark.engine.options import Stopped
from benchmark.engine.stopping import StopSignals
from benchmark.errors import STOP_SIGNALS, SignalReceived
from benchmark.record import LOG_FILE


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_is_raised_unless_it_is_deferred(number):
    before = signal.getsignal(number)
    with StopSignals() as signals, pytest.raises(SignalReceived) as raised:
        signal.raise_signal(number)
    assert raised.value.number == number
    with pytest.raises(SignalReceived), StopSignals() as signals, signals.deferred():
        assert not signals.made
        signal.raise_signal(number)
        assert signals.made
    assert signals.received == number
    assert signal.getsignal(number) is before


def test_a_second_signal_is_raised_at_once():
    with StopSignals() as signals, pytest.raises(SignalReceived), signals.deferred():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second signal was deferred")
    assert signals.received == signal.SIGTERM


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            signal.raise_signal(signal.SIGHUP)
        assert not signals.made
    finally:
        signal.signal(signal.SIGHUP, before)


class SendsAtStep(Callback):
    """Sends SIGTERM after a step of an epoch; collects from where runs go on."""

    def __init__(self, epoch):
        self.epoch, self.begun = epoch, []

    def resumes(self, phase, epochs_done):
        self.begun.append((phase, epochs_done))

    def step(self, epoch, images, seconds):
        if epoch == self.epoch:
            self.epoch = 0
            signal.raise_signal(signal.SIGTERM)


def test_a_run_asked_to_stop_ends_and_saves_the_epoch(tiny, tmp_path):
    whole = tiny("ewc", runs=tmp_path / "whole").record
    for epoch in (1, 2):
        callback = SendsAtStep(epoch)
        with pytest.raises(Stopped, match=f"left off in phase 1 after epoch {epoch}"), \
                StopSignals() as signals:
            tiny("ewc", callback=callback, stop=signals)
    assert callback.begun == [(1, 1)]
    assert tiny("ewc", callback=callback).record.matrix == whole.matrix
    assert callback.begun == [(1, 1), (1, 2)]


def test_a_long_epoch_is_left_at_the_next_step(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.engine.protocol.PATIENCE", -1.0)
    with pytest.raises(Stopped, match="left off in epoch 2 of phase 1"), StopSignals() as signals:
        tiny("finetune", callback=SendsAtStep(2), stop=signals, checkpoint_seconds=0.0)
    (log,) = (tmp_path / "runs").glob(f"*/{LOG_FILE}")
    assert [json.loads(line)["epoch"] for line in log.read_text().splitlines()] == [1]

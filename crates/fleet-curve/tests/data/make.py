#!/usr/bin/env python3
"""Makes the files beside this one with the real libraries: `make.py KIND`, in a virtual environment.

    pip install numpy tensorboardX tensorboard tqdm    kinds: numpy, tensor, tqdm
    pip install keras jax                              kind: keras
    pip install torch lightning                        kind: lightning
    pip install torch transformers accelerate          kind: trainer NAME

What is made once is kept: versions and dates are in README.md.
"""

import contextlib
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def made(name):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def numpy():
    """A real descent: the same values as a line of the log and as scalars."""
    import numpy as np
    from tensorboardX import SummaryWriter

    folder = made("numpy")
    random = np.random.default_rng(4)
    x = random.normal(size=(256, 8))
    y = x @ random.normal(size=8) + 0.1 * random.normal(size=256)
    weights, writer = np.zeros(8), SummaryWriter(str(folder))
    with (folder / "train.log").open("w") as log:
        print("loading 256 rows from 127.0.0.1:8080, version=1.2.3", file=log)
        for step in range(60):
            rate = 0.05 * (1 - step / 60)
            batch = random.integers(0, 256, 32)
            error = x[batch] @ weights - y[batch]
            weights -= rate * x[batch].T @ error / 32
            loss = float((error**2).mean()) if step != 40 else float("nan")
            print(f"2026-11-22 06:00:{step:02d},123 INFO train step={step} loss={loss:.6g} lr={rate:.4g}",
                  file=log)
            writer.add_scalar("loss", loss, step)
            writer.add_scalar("lr", rate, step)
    writer.close()


def tensor():
    """Scalars as TensorFlow 2 writes them: tensors with metadata."""
    from tensorboard.plugins.scalar import summary_v2
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    folder = made("tensor")
    writer = EventFileWriter(str(folder))
    for step in range(5):
        for tag in ("epoch_loss", "epoch_accuracy"):
            value = 1 / (step + 1) if tag == "epoch_loss" else 1 - 1 / (step + 2)
            summary = summary_v2.scalar_pb(tag, value)
            writer.add_event(Event(wall_time=1700000000.25 + step, step=step, summary=summary))
    writer.close()


def tqdm():
    """Bars to a pipe, one of them with lines written over it."""
    program = """
import time
from tqdm import tqdm
bar = tqdm(range(40), desc="train", mininterval=0)
for step in bar:
    bar.set_postfix(loss=1 / (step + 1), lr=5e-5)
    if step == 20:
        tqdm.write("half of it")
"""
    run = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, check=True)
    (HERE / "tqdm.log").write_bytes(run.stdout)


def keras():
    os.environ["KERAS_BACKEND"] = "jax"
    import keras
    import numpy as np

    x = np.random.default_rng(0).normal(size=(320, 4)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    for verbose in (1, 2):
        model = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
        model.compile(optimizer="sgd", loss="mse", metrics=["mae"])
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            model.fit(x, y, epochs=3, validation_split=0.2, verbose=verbose)
        (HERE / f"keras-{verbose}.log").write_bytes(text.getvalue().encode())


def lightning():
    program = """
import sys, logging, warnings
warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
import torch, lightning
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger

class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, at):
        loss = ((self.layer(batch[0]) - batch[0].sum(1, keepdim=True)) ** 2).mean()
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, at):
        loss = ((self.layer(batch[0]) - batch[0].sum(1, keepdim=True)) ** 2).mean()
        self.log("val_loss", loss, prog_bar=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

def loader():
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(80, 4)), batch_size=4)

torch.manual_seed(0)
trainer = lightning.Trainer(max_epochs=3, accelerator="cpu", logger=CSVLogger(sys.argv[1], name="", version=""),
    log_every_n_steps=5, callbacks=[TQDMProgressBar(refresh_rate=5)], enable_checkpointing=False,
    enable_model_summary=False)
trainer.fit(Model(), loader(), loader())
"""
    folder = made("lightning")
    run = subprocess.run([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=True)
    (folder / "hparams.yaml").unlink(missing_ok=True)
    (folder / "train.log").write_bytes(run.stdout)


def trainer(name):
    """The Trainer of the installed transformers: its streams apart, and both in one pipe."""
    program = """
import logging, sys, torch, transformers, warnings
warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, x, labels=None):
        out = self.layer(x)
        return {"loss": ((out - labels) ** 2).mean(), "logits": out}

torch.manual_seed(0)
rows = [{"x": torch.randn(4), "labels": torch.ones(1)} for _ in range(64)]
args = transformers.TrainingArguments(sys.argv[1], num_train_epochs=2, per_device_train_batch_size=4,
    logging_steps=4, eval_strategy="epoch", save_strategy="epoch", save_total_limit=1, report_to=["tensorboard"],
    use_cpu=True, disable_tqdm=False)
transformers.Trainer(Model(), args, train_dataset=rows, eval_dataset=rows[:16]).train()
"""
    folder, work = made(name), HERE / "work"
    # TensorBoard's writer is told by a variable since 5, by the folder `runs` before.
    environment = os.environ | {"TENSORBOARD_LOGGING_DIR": str(work / "runs"), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", program, str(work)]
    for both in (False, True):
        shutil.rmtree(work, ignore_errors=True)
        stderr = subprocess.STDOUT if both else subprocess.PIPE
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, check=True, env=environment)
        if both:
            (folder / "both.log").write_bytes(run.stdout)
            continue
        (folder / "stdout.log").write_bytes(run.stdout)
        (folder / "stderr.log").write_bytes(run.stderr)
        shutil.copy(sorted(work.glob("checkpoint-*/trainer_state.json"))[-1], folder)
        for events in work.glob("runs/**/events.out.tfevents.*"):
            shutil.copy(events, folder)
    shutil.rmtree(work)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])

"""Small trainings with transformers' Trainer, and what they used."""

# ruff: noqa: ARG002 - the hooks' arguments are named by transformers

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

ROWS, BATCH = 64, 8  # 8 batches an epoch


class Rows(torch.utils.data.Dataset):  # type: ignore[misc]
    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> dict[str, Any]:
        x = torch.randn(8, generator=torch.Generator().manual_seed(index))
        return {"x": x, "labels": (x[0] > 0).long()}


class Digits(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.layers(x)
        return {"loss": torch.nn.functional.cross_entropy(found, labels), "logits": found}


class Used(transformers.TrainerCallback):  # type: ignore[misc]
    """Notes the LR of every update on its own."""

    def __init__(self) -> None:
        self.lrs: list[float] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.lrs.append(kwargs["optimizer"].param_groups[0]["lr"])


def trainer_of(folder: Path, *callbacks: Any, optimizers: Any = (None, None), **settings: Any) -> Any:
    transformers.set_seed(0)
    arguments = {
        "per_device_train_batch_size": BATCH,
        "num_train_epochs": 3,
        "learning_rate": 0.01,
        "logging_steps": 4,
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": True,
        "dataloader_pin_memory": False,
        **settings,
    }
    model = Digits()
    optimizers = optimizers(model) if callable(optimizers) else optimizers
    return transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(output_dir=str(folder), **arguments),
        train_dataset=Rows(),
        eval_dataset=Rows(),
        compute_metrics=lambda found: {
            "accuracy": float((found.predictions.argmax(-1) == found.label_ids).mean()),
            "f1": 0.5,
        },
        callbacks=list(callbacks),
        optimizers=optimizers,
    )


def own_optimizers(make: Any) -> Any:
    def made(model: Any) -> Any:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return optimizer, make(optimizer)

    return made

"""Logs in the very form in which tools print them (the numbers are ours), and the records that are in them."""

from __future__ import annotations

import math

BAR = "\b" * 60 + "\r"
COUNTED = "an epoch is taken to have {} updates"
Rows = list[tuple[int | None, float | None, dict[str, float]]]

TOOLS: dict[str, tuple[str, Rows]] = {
    "Keras 3, bars and lines": (
        "Epoch 1/2\n"
        "\x1b[1m 1/40\x1b[0m \x1b[37m━━━━\x1b[0m \x1b[1m10s\x1b[0m 245ms/step - accuracy: 0.0938 - loss: 2.3951"
        f"{BAR}\x1b[1m40/40\x1b[0m ━━━━ \x1b[1m1s\x1b[0m 4ms/step - accuracy: 0.3115 - loss: 2.1011 - "
        "val_accuracy: 0.5000 - val_loss: 1.9000 - learning_rate: 0.0010\n"
        "\nEpoch 1: val_loss improved from inf to 1.90000, saving model to m.keras\n"
        "Epoch 2/2\n40/40 - 1s - 16ms/step - accuracy: 0.5000 - loss: 1.5000 - val_accuracy: 0.6000 - "
        "val_loss: 1.4000 - "
        "learning_rate: 5.0000e-04\n",
        [
            (None, 1, {"train_acc": 0.3115, "train_loss": 2.1011, "val_acc": 0.5, "val_loss": 1.9, "lr": 0.001}),
            (None, 2, {"train_acc": 0.5, "train_loss": 1.5, "val_acc": 0.6, "val_loss": 1.4, "lr": 0.0005}),
        ],
    ),
    "Keras 2": (
        f"Epoch 1/1\n40/40 [=====>....] - ETA: 0s - loss: 2.3 - accuracy: 0.1{BAR}40/40 [======] - 1s 3ms/step - "
        "loss: 2.1 - accuracy: 0.3 - val_loss: 1.9 - val_accuracy: 0.5 - lr: 0.0010\n\n"
        "Epoch 00001: ReduceLROnPlateau reducing learning rate to 0.0002.\n",
        [(None, 1, {"train_loss": 2.1, "train_acc": 0.3, "val_loss": 1.9, "val_acc": 0.5, "lr": 0.001})],
    ),
    "Keras history, as Python prints it": (
        "{'loss': [2.31, nan], 'val_loss': [2.29, 1.95]}\n",
        [(None, 0, {"train_loss": 2.31, "val_loss": 2.29}), (None, 1, {"train_loss": math.nan, "val_loss": 1.95})],
    ),
    "Lightning's bar": (
        "\rEpoch 0:  50%|█████     | 5/10 [00:00<00:00, 12.34it/s, v_num=0, train_loss=2.0]"
        "\rEpoch 0: 100%|██████████| 10/10 [00:00<00:00, 12.34it/s, v_num=0, train_loss=1.5, val_loss=1.25]\n"
        "\rEpoch 1: 100%|██████████| 10/10 [00:00<00:00, 12.34it/s, v_num=0, train_loss=1.1, val_loss=1.05]\n",
        [(None, 0, {"train_loss": 1.5, "val_loss": 1.25}), (None, 1, {"train_loss": 1.1, "val_loss": 1.05})],
    ),
    "Lightning's CSV with a LearningRateMonitor": (
        "epoch,lr-AdamW/pg1,lr-AdamW/pg2,step,train_loss_step,val_loss\n,0.001,0.01,49,,\n0,,,49,2.1,\n0,,,99,,1.9\n",
        [
            (49, None, {"lr": 0.001, "lr/1": 0.01}),
            (49, 0, {"train_loss": 2.1}),
            (99, 0, {"val_loss": 1.9}),
        ],
    ),
    "transformers 4": (
        " 33%|███▎      | 100/300 [00:10<00:20, 10.0it/s]"
        "{'loss': 2.5, 'grad_norm': 1.25, 'learning_rate': 3.3e-05, 'epoch': 1.0}\n"
        "{'eval_loss': 2.25, 'eval_runtime': 1.2, 'eval_samples_per_second': 100.1, 'epoch': 1.0}\n"
        "{'loss': nan, 'grad_norm': nan, 'learning_rate': 1.7e-05, 'epoch': 2.0}\n"
        "{'train_runtime': 30.1, 'train_samples_per_second': 99.7, 'train_loss': 2.0, 'epoch': 3.0}\n"
        "***** train metrics *****\n  epoch                    =        3.0\n  train_loss               =     2.0\n"
        "***** eval metrics *****\n  epoch                    =        3.0\n  eval_loss                =     1.9\n",
        [
            (None, 1, {"train_loss": 2.5, "grad_norm": 1.25, "lr": 3.3e-05, "val_loss": 2.25}),
            (None, 2, {"train_loss": math.nan, "grad_norm": math.nan, "lr": 1.7e-05}),
            (None, 3, {"val_loss": 1.9}),
        ],
    ),
    "transformers 5, whose values are text": (
        "{'loss': '2.5', 'grad_norm': '1.25', 'learning_rate': '3.3e-05', 'epoch': '1'}\n"
        "{'eval_loss': '2.25', 'eval_runtime': '1.2', 'epoch': '1'}\n"
        "{'train_runtime': '30.1', 'train_samples_per_second': '99.7', 'train_loss': '2.0', 'epoch': '3'}\n",
        [(None, 1, {"train_loss": 2.5, "grad_norm": 1.25, "lr": 3.3e-05}), (None, 1, {"val_loss": 2.25})],
    ),
    "LLaMA-Factory": (
        '{"current_steps": 10, "total_steps": 100, "loss": 1.2, "lr": 1e-05, "epoch": 0.1, "percentage": 10.0, '
        '"elapsed_time": "0:00:10"}\n',
        [(10, 0.1, {"train_loss": 1.2, "lr": 1e-05})],
    ),
    "ultralytics' console": (
        "      Epoch    GPU_mem   box_loss   cls_loss   dfl_loss  Instances       Size\n"
        "        1/2      2.1G      1.175      2.913      1.345         23        640: 100%|█████| 4/4 [00:10<00:00]\n"
        "                 Class     Images  Instances      Box(P          R      mAP50  mAP50-95): 100%|████| 2/2\n"
        "                   all          4         17       0.69       0.55       0.62       0.40\n",
        [(None, 1, {"box_loss": 1.175, "cls_loss": 2.913, "dfl_loss": 1.345, "val_mAP50": 0.62, "val_mAP50-95": 0.4})],
    ),
    "ultralytics' results.csv": (
        "   epoch,   time,  train/box_loss,  val/box_loss,  lr/pg0,  lr/pg1\n1, 10.1, 1.175, 1.2, 0.07, 0.003\n",
        [(None, 1, {"train/box_loss": 1.175, "val/box_loss": 1.2, "lr": 0.07, "lr/1": 0.003})],
    ),
    "fastai's table": (
        "epoch     train_loss  valid_loss  error_rate  time    \n0         0.875000    0.500000    0.200000 "
        "   00:10     \n",
        [(None, 0, {"train_loss": 0.875, "val_loss": 0.5, "error_rate": 0.2})],
    ),
    "mmengine by epoch": (
        "2024/01/01 12:00:00 - mmengine - INFO - Epoch(train)  [1][ 50/100]  lr: 1.0000e-01  eta: 0:10:00  time: 0.05"
        "  data_time: 0.01  memory: 200  loss: 2.3000\n"
        "2024/01/01 12:00:07 - mmengine - INFO - Epoch(val) [1][10/10]    accuracy/top1: 45.2000  data_time: 0.01\n"
        "2024/01/01 12:00:10 - mmengine - INFO - Epoch(train)  [2][100/100]  lr: 1.0000e-02  eta: 0:10:00  loss: 1.9\n",
        [
            (49, 1, {"lr": 0.1, "train_loss": 2.3}),
            (49, 1, {"val_acc": 45.2}),
            (199, 2, {"lr": 0.01, "train_loss": 1.9}),
        ],
    ),
    "mmengine by iteration": (
        "2024/01/01 12:00:00 - mmengine - INFO - Iter(train) [   50/80000]  base_lr: 9.99e-03 lr: "
        "9.9900e-03  loss: 2.3\n"
        "2024/01/01 12:01:00 - mmengine - INFO - Iter(val) [100/100]    aAcc: 80.1  mIoU: 45.0  time: 0.02\n"
        "2024/01/01 12:02:00 - mmengine - INFO - Iter(train) [  100/80000]  base_lr: 9.98e-03 lr: "
        "9.9800e-03  loss: 2.1\n",
        [
            (50, None, {"lr": 0.00999, "train_loss": 2.3}),
            (50, None, {"val_aAcc": 80.1, "val_mIoU": 45.0}),
            (100, None, {"lr": 0.00998, "train_loss": 2.1}),
        ],
    ),
    "mmengine's scalars.json": (
        '{"lr": 0.1, "data_time": 0.01, "loss": 2.3, "time": 0.05, "epoch": 1, "iter": 100, "memory": 200, '
        '"step": 100}\n'
        '{"accuracy/top1": 45.2, "data_time": 0.01, "time": 0.02, "step": 1}\n'
        '{"lr": 0.01, "data_time": 0.01, "loss": 1.9, "time": 0.05, "epoch": 2, "iter": 200, "memory": 200, '
        '"step": 200}\n',
        [
            (100, 1, {"lr": 0.1, "train_loss": 2.3}),
            (100, 1, {"val_acc": 45.2}),
            (200, 2, {"lr": 0.01, "train_loss": 1.9}),
        ],
    ),
    "mmcv": (
        "2021-01-01 12:00:00,123 - mmdet - INFO - Epoch [1][50/100]\tlr: 1.978e-03, eta: 1 day, 1:12:30, time: 0.5, "
        "data_time: 0.05, memory: 3800, loss_bbox: 0.2, acc: 85.0, loss: 1.9, grad_norm: 3.4\n"
        "2021-01-01 12:10:00,123 - mmdet - INFO - Epoch(val) [1][500]\tbbox_mAP: 0.1230, bbox_mAP_50: 0.25\n",
        [
            (50, 1, {"lr": 0.001978, "loss_bbox": 0.2, "train_acc": 85.0, "train_loss": 1.9, "grad_norm": 3.4}),
            (50, 1, {"val_bbox_mAP": 0.123, "val_bbox_mAP_50": 0.25}),
        ],
    ),
    "fairseq": (
        "2021-01-01 00:00:00 | INFO | train_inner | epoch 001:    100 / 1000 loss=9.8, wps=1000, ups=5, "
        "wpb=3500, bsz=120, "
        "num_updates=100, lr=1.25e-05, gnorm=2.1, clip=0, loss_scale=16, train_wall=30, wall=40\n"
        "2021-01-01 00:10:00 | INFO | valid | epoch 001 | valid on 'valid' subset | loss 8.5 | wps 3000 | "
        "num_updates 1000\n"
        "2021-01-01 00:10:01 | INFO | train | epoch 001 | loss 9.0 | wps 1000 | num_updates 1000 | lr "
        "0.000125 | gnorm 1.5\n",
        [
            (100, 1, {"train_loss": 9.8, "lr": 1.25e-05, "grad_norm": 2.1}),
            (1000, 1, {"val_loss": 8.5, "train_loss": 9.0, "lr": 0.000125, "grad_norm": 1.5}),
        ],
    ),
    "fairseq's JSON": (
        '2021-01-01 00:10:00 | INFO | train | {"epoch": 1, "train_loss": "9.0", "train_wps": "1000", '
        '"train_num_updates": "1000", "train_lr": "0.000125", "train_gnorm": "1.5", "train_wall": "600"}\n'
        '2021-01-01 00:10:01 | INFO | valid | {"epoch": 1, "valid_loss": "8.5", "valid_num_updates": "1000", '
        '"valid_best_loss": "8.5"}\n',
        [(1000, 1, {"train_loss": 9.0, "lr": 0.000125, "grad_norm": 1.5, "val_loss": 8.5})],
    ),
    "detectron2": (
        "[01/01 12:00:00 d2.utils.events]:  eta: 0:10:00  iter: 19  total_loss: 2.3  loss_cls: 1.2    time: 0.2  "
        "last_time: 0.2  data_time: 0.01   lr: 0.00025  max_mem: 2000M\n"
        "[01/01 12:00:10 d2.utils.events]:  eta: 0:09:00  iter: 39  total_loss: nan  loss_cls: nan  lr: 0.0005\n",
        [
            (19, None, {"train_loss": 2.3, "loss_cls": 1.2, "lr": 0.00025}),
            (39, None, {"train_loss": math.nan, "loss_cls": math.nan, "lr": 0.0005}),
        ],
    ),
    "detectron2's metrics.json": (
        '{"data_time": 0.01, "eta_seconds": 300.1, "iteration": 19, "loss_cls": 1.2, "lr": 0.00025, '
        '"total_loss": 2.3}\n',
        [(19, None, {"loss_cls": 1.2, "lr": 0.00025, "train_loss": 2.3})],
    ),
    "timm": (
        "Train: 0 [   0/390 (  0%)]  Loss: 6.911 (6.91)  Time: 0.933s,  137.26/s  LR: 1.000e-06  Data: 0.500 (0.500)\n"
        "Train: 0 [ 389/390 (100%)]  Loss: 6.311 (6.71)  Time: 0.133s,  937.26/s  LR: 1.000e-06  Data: 0.010 (0.010)\n"
        "Test: [   0/78]  Time: 0.300 (0.300)  Loss:   6.100 ( 6.100)  Acc@1:   5.000 (  5.000)  Acc@5:  15.0 ( 15.0)\n"
        "Test: [  78/78]  Time: 0.300 (0.300)  Loss:   6.000 ( 6.050)  Acc@1:   6.000 (  5.500)  Acc@5:  16.0 ( 15.5)\n"
        "*** Best metric: 5.5 (epoch 0)\n",
        [
            (0, 0, {"train_loss": 6.911, "lr": 1e-06}),
            (389, 0, {"train_loss": 6.311, "lr": 1e-06}),
            (389, 0, {"val_loss": 6.05, "val_acc": 5.5, "val_Acc@5": 15.5}),
        ],
    ),
    "PyTorch's ImageNet example": (
        "Epoch: [0][  1/390]\tTime  0.50 ( 0.50)\tData  0.10 ( 0.10)\tLoss 2.3e+00 (2.3e+00)\tAcc@1  10.00 ( 10.00)\n"
        "Epoch: [0][390/390]\tTime  0.50 ( 0.50)\tData  0.10 ( 0.10)\tLoss 2.1e+00 (2.2e+00)\tAcc@1  20.00 ( 15.00)\n"
        "Test: [ 1/79]\tTime  0.50 ( 0.50)\tLoss 2.0e+00 (2.0e+00)\tAcc@1  25.00 ( 25.00)\n *   Acc@1 26.500\n",
        [
            (0, 0, {"train_loss": 2.3, "train_acc": 10.0}),
            (389, 0, {"train_loss": 2.1, "train_acc": 20.0}),
            (389, 0, {"val_loss": 2.0, "val_acc": 26.5}),
        ],
    ),
    "Swin": (
        "[2021-01-01 12:00:00 tiny](main.py 180): INFO Train: [0/300][0/1251]\teta 1:00:00 lr "
        "0.000001\ttime 0.9 (0.9)\t"
        "loss 6.9 (6.9)\tgrad_norm 1.2 (1.2)\tmem 2000MB\n"
        "[2021-01-01 12:10:10 tiny](main.py 260): INFO Test: [0/98]\tTime 0.9 (0.9)\tLoss 6.0 (6.0)\tAcc@1 5.0 (5.0)\n"
        "[2021-01-01 12:20:00 tiny](main.py 180): INFO Train: [1/300][10/1251]\teta 1:00:00 lr "
        "0.000050\tloss 6.2 (6.2)\n",
        [
            (0, 0, {"lr": 1e-06, "train_loss": 6.9, "grad_norm": 1.2}),
            (0, 0, {"val_loss": 6.0, "val_acc": 5.0}),
            (1261, 1, {"lr": 5e-05, "train_loss": 6.2}),
        ],
    ),
    "PaddleDetection": (
        "[01/01 12:00:10] ppdet.engine INFO: Epoch: [0] [ 50/100] learning_rate: 0.002000 loss_cls: 1.1 loss: 2.2 "
        "eta: 0:10:00 batch_cost: 0.5 data_cost: 0.001 ips: 2.0 images/s\n"
        "[01/01 12:01:00] ppdet.engine INFO: Best test bbox ap is 0.301.\n",
        [(50, 0, {"lr": 0.002, "loss_cls": 1.1, "train_loss": 2.2})],
    ),
    "PaddleClas": (
        "[2022/01/01 12:00:00] ppcls INFO: [Train][Epoch 1/120][Iter: 0/417]lr(CosineAnnealing): "
        "0.00100000, top1: 0.01, "
        "CELoss: 4.6, loss: 4.6, batch_cost: 0.5s, ips: 60 samples/s, eta: 1:00:00\n"
        "[2022/01/01 12:06:00] ppcls INFO: [Eval][Epoch 1][Iter: 0/79]CELoss: 3.9, loss: 3.9, batch_cost: 0.5s\n"
        "[2022/01/01 12:07:00] ppcls INFO: [Eval][Epoch 1][Avg]CELoss: 3.8, loss: 3.8\n",
        [
            (0, 1, {"lr": 0.001, "CELoss": 4.6, "train_loss": 4.6}),
            (0, 1, {"val_CELoss": 3.8, "val_loss": 3.8}),
        ],
    ),
    "PaddleNLP": (
        "global step 10, epoch: 1, batch: 10, loss: 0.69, accu: 0.5, speed: 1.2 step/s\neval loss: 0.60, accu: 0.7\n",
        [(10, 1, {"train_loss": 0.69, "train_acc": 0.5, "val_loss": 0.6, "val_acc": 0.7})],
    ),
    "Paddle's Model.fit": (
        "Epoch 1/2\nstep  10/20 - loss: 0.9 - acc: 0.6 - 20ms/step\nstep  20/20 - loss: 0.8 - acc: 0.7 - 20ms/step\n"
        "Eval begin...\nstep  5/10 - loss: 0.72 - acc: 0.74 - 10ms/step\nstep 10/10 - loss: 0.7 - acc: 0.75 "
        "- 10ms/step\n"
        "Eval samples: 1000\nEpoch 2/2\nstep  10/20 - loss: 0.6 - acc: 0.8 - 20ms/step\n",
        [
            (9, 1, {"train_loss": 0.9, "train_acc": 0.6}),
            (19, 1, {"train_loss": 0.8, "train_acc": 0.7}),
            (19, 1, {"val_loss": 0.7, "val_acc": 0.75}),
            (29, 2, {"train_loss": 0.6, "train_acc": 0.8}),
        ],
    ),
    "gluonnlp, whose evaluations only say so before": (
        "[Epoch 1 Batch 10/67] loss=0.77, lr=0.0000005\nNow we are doing evaluation on dev with [gpu(0)].\n"
        "[Batch 10/33] loss=0.62\n[Batch 20/33] loss=0.57\n[Epoch 2 Batch 10/67] loss=0.7, lr=0.000001\n",
        [
            (10, 1, {"train_loss": 0.77, "lr": 5e-07}),
            (10, 1, {"val_loss": 0.57}),
            (77, 2, {"train_loss": 0.7, "lr": 1e-06}),
        ],
    ),
    "gluoncv's scores without a name": (
        "INFO:root:[Epoch 0] train=0.452885 val=0.526300 loss=1.505485 time: 41.090768\n",
        [(None, 0, {"train": 0.452885, "val": 0.5263, "train_loss": 1.505485})],
    ),
    "PyTorch's MNIST example, which counts samples": (
        "Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.300000\nTrain Epoch: 1 [60000/60000 (100%)]\tLoss: 0.200000\n\n"
        "Test set: Average loss: 0.0601, Accuracy: 9800/10000 (98%)\n",
        [
            (None, 1, {"train_loss": 2.3}),
            (None, 1 + 1 / 1.01, {"train_loss": 0.2, "val_loss": 0.0601, "val_acc": 98.0}),
        ],
    ),
    "a bar of training and one of testing, neither of which says so": (
        "\nEpoch: 0\n [=>..]  Step: 50ms | Tot: 1s | Loss: 2.300 | Acc: 10.000% (13/128) 1/391 \r"
        " [===>]  Step: 50ms | Tot: 1s | Loss: 1.300 | Acc: 50.000% (25000/50000) 391/391 \n"
        " [===>]  Step: 10ms | Tot: 1s | Loss: 1.100 | Acc: 60.000% (6000/10000) 100/100 \nSaving..\n",
        [(None, 0, {"train_loss": 1.3, "train_acc": 50.0}), (None, 0, {"val_loss": 1.1, "val_acc": 60.0})],
    ),
    "a tutorial's last line": (
        "Epoch [1/2], Step [100/600], Loss: 2.1\nTest Accuracy of the model on the 10000 test images: 97.5 %\n",
        [(100, 1, {"train_loss": 2.1, "val_acc": 97.5})],
    ),
    "accelerate's examples": (
        "epoch 0: {'f1': 0.81, 'loss': 0.5}\nepoch 1: {'f1': 0.85, 'loss': 0.4}\n",
        [(None, 0, {"f1": 0.81, "train_loss": 0.5}), (None, 1, {"f1": 0.85, "train_loss": 0.4})],
    ),
    "YOLOv5's console": (
        "     Epoch   gpu_mem       box       obj       cls    labels  img_size\n"
        "       0/2     3.35G   0.04209   0.06259   0.01786       260       640: 100%|████| 8/8\n"
        "               Class     Images     Labels          P          R     mAP@.5 mAP@.5:.95: 100%|████| 4/4\n"
        "                 all        128        929      0.577      0.414       0.46      0.279\n",
        [
            (
                None,
                0,
                {
                    "box_loss": 0.04209,
                    "obj_loss": 0.06259,
                    "cls_loss": 0.01786,
                    "val_mAP@.5": 0.46,
                    "val_mAP@.5:.95": 0.279,
                },
            )
        ],
    ),
    "TensorFlow's Estimator": (
        "INFO:tensorflow:loss = 1.3, step = 100 (1.0 sec)\n"
        "INFO:tensorflow:Saving dict for global step 200: accuracy = 0.9, global_step = 200, loss = 0.5\n",
        [(100, None, {"train_loss": 1.3}), (200, None, {"val_acc": 0.9, "val_loss": 0.5})],
    ),
    "XGBoost": (
        "[0]\ttrain-logloss:0.68\teval-logloss:0.69\n",
        [(0, None, {"train-logloss": 0.68, "eval-logloss": 0.69})],
    ),
    "an evaluation that is announced, by steps": (
        "step 100 | loss 2.0 | lr 1e-3\nEvaluating...\nloss: 2.1 acc: 0.5\nstep 200 | loss 1.9 | lr 1e-3\nloss: 1.85\n",
        [
            (100, None, {"train_loss": 2.0, "lr": 0.001}),
            (100, None, {"val_loss": 2.1, "val_acc": 0.5}),
            (200, None, {"train_loss": 1.9, "lr": 0.001}),
            (200, None, {"train_loss": 1.85}),
        ],
    ),
    "two parts of a line": (
        "[Epoch 0] train: loss=1.2, acc=0.5 | val: loss=1.3, acc=0.4\n",
        [(None, 0, {"train_loss": 1.2, "train_acc": 0.5, "val_loss": 1.3, "val_acc": 0.4})],
    ),
    "tqdm, a bar overwritten": (
        "Epoch 1/2:  50%|█████     | 5/10 [00:00<00:00, 50.0it/s, loss=1.93]\r"
        "Epoch 1/2: 100%|██████████| 10/10 [00:00<00:00, 50.0it/s, loss=1.83]\n",
        [(None, 1, {"train_loss": 1.83})],
    ),
    "tqdm, a bar a line": (
        "Epoch 1/2:  50%|█████     | 5/10 [00:00<00:00, 50.0it/s, loss=1.93]\n"
        "Epoch 1/2: 100%|██████████| 10/10 [00:00<00:00, 50.0it/s, loss=1.83]\n",
        [(4, 1, {"train_loss": 1.93}), (9, 1, {"train_loss": 1.83})],
    ),
    "Megatron": (
        " iteration      100/    1000 | consumed samples: 400 | learning rate: 1.462E-04 | lm loss: 8.47E+00 |"
        " loss scale: 16384.0 | grad norm: 5.332 | number of nan iterations:   0 |\n"
        " validation loss at iteration 100 | lm loss value: 8.581882E+00 | lm loss PPL: 5.33E+03 | \n",
        [
            (
                100,
                None,
                {"lr": 0.0001462, "train_loss": 8.47, "grad_norm": 5.332, "val_loss": 8.581882, "val_PPL": 5330.0},
            )
        ],
    ),
    "DeepSpeed": (
        "[2023-01-01 12:00:00,123] [INFO] [Rank 0] step=10, skipped=0, lr=[1e-05, 1e-05], mom=[(0.9, 0.999)]\n"
        "steps: 10 loss: 2.3 iter time (s): 0.5 samples/sec: 20.1\n",
        [(10, None, {"lr": 1e-05, "train_loss": 2.3})],
    ),
    "nanoGPT": (
        "step 0: train loss 4.2874, val loss 4.2823\niter 10: loss 3.2653, time 22.27ms, mfu 10.00%\n",
        [(0, None, {"train_loss": 4.2874, "val_loss": 4.2823}), (10, None, {"train_loss": 3.2653})],
    ),
    "llm.c": (
        "s:0 tel:10.97\ns:0 trl:10.96\ns:1 trl:10.81 lr:0.002\n",
        [(0, None, {"val_loss": 10.97, "train_loss": 10.96}), (1, None, {"train_loss": 10.81, "lr": 0.002})],
    ),
    "torchtune": (
        "Step 1 | loss:2.1 lr:1e-05 tokens_per_second_per_gpu:1000.1 peak_memory_active:10.1\n",
        [(1, None, {"train_loss": 2.1, "lr": 1e-05})],
    ),
    "ESPnet": (
        "[host] 2022-01-01 12:10:00,123 (trainer:338) INFO: 1epoch results: [train] iter_time=0.1, "
        "acc=0.25, loss=60.1, "
        "optim0_lr0=2.0e-05, train_time=3.0, time=10 minutes, total_count=100, [valid] acc=0.35, loss=50.1, "
        "time=1 minute\n",
        [(None, 1, {"train_acc": 0.25, "train_loss": 60.1, "lr": 2e-05, "val_acc": 0.35, "val_loss": 50.1})],
    ),
    "SpeechBrain": (
        "epoch: 1, lr: 1.00e-03 - train loss: 2.5 - valid loss: 2.2, valid CER: 30.0\n",
        [(None, 1, {"lr": 0.001, "train_loss": 2.5, "val_loss": 2.2, "valid_CER": 30.0})],
    ),
    "pyslowfast": (
        'json_stats: {"_type": "train_epoch", "epoch": "1/200", "loss": 2.79, "lr": 0.001, "top1_err": '
        '90.0, "dt": 0.8}\n'
        'json_stats: {"_type": "val_epoch", "epoch": "1/200", "min_top1_err": 80.0, "top1_acc": 20.0}\n',
        [(None, 1, {"train_loss": 2.79, "lr": 0.001, "top1_err": 90.0, "val_acc": 20.0})],
    ),
    "Weights & Biases, a chart": (
        '"Step","sunny-sea-1 - train/loss","sunny-sea-1 - train/loss__MIN","sunny-sea-1 - train/loss__MAX"\n'
        '"0","2.31","2.31","2.31"\n"100","1.87","1.8","1.9"\n',
        [(0, None, {"train_loss": 2.31}), (100, None, {"train_loss": 1.87})],
    ),
    "Weights & Biases, a history": (
        ",_step,_runtime,_timestamp,train/loss,train/learning_rate,eval/loss,epoch\n"
        "0,10,1.5,1700000000.1,2.31,0.1,,0.1\n1,20,2.5,1700000001.1,1.87,0.1,1.9,0.2\n",
        [
            (10, 0.1, {"train_loss": 2.31, "lr": 0.1}),
            (20, 0.2, {"train_loss": 1.87, "lr": 0.1, "val_loss": 1.9}),
        ],
    ),
    "MLflow": (
        "run_id,key,value,step,timestamp\nabc,train_loss,2.31,0,1700000000000\nabc,val_loss,2.2,0,1700000000001\n",
        [(0, None, {"train_loss": 2.31}), (0, None, {"val_loss": 2.2})],
    ),
    "a spreadsheet's decimal commas": (
        "epoch;loss;lr\n1;2,31;0,1\n2;1,87;5,0e-02\n",
        [(None, 1, {"train_loss": 2.31, "lr": 0.1}), (None, 2, {"train_loss": 1.87, "lr": 0.05})],
    ),
    "rows that say which data they are about": (
        "epoch,phase,loss,acc\n1,train,2.31,0.2\n1,val,2.2,0.25\n",
        [(None, 1, {"train_loss": 2.31, "train_acc": 0.2}), (None, 1, {"val_loss": 2.2, "val_acc": 0.25})],
    ),
    "a job that was killed": (
        '{"epoch": 1, "loss": 2.0}{"epoch": 2, "loss": 1.5}\n{"epoch": 3, "lo',
        [(None, 1, {"train_loss": 2.0}), (None, 2, {"train_loss": 1.5})],
    ),
    "fastai's table with an accuracy": (
        "epoch     train_loss  valid_loss  accuracy  time    \n"
        "0         0.912345    0.512345    0.812345  00:12     \n"
        "1         0.612345    0.412345    0.852345  00:12     \n",
        [
            (None, 0, {"train_loss": 0.912345, "val_loss": 0.512345, "val_acc": 0.812345}),
            (None, 1, {"train_loss": 0.612345, "val_loss": 0.412345, "val_acc": 0.852345}),
        ],
    ),
    "fastai's CSVLogger": (
        "epoch,train_loss,valid_loss,accuracy,time\n0,0.9,0.5,0.81,00:12\n1,0.6,0.4,0.85,00:12\n",
        [
            (None, 0, {"train_loss": 0.9, "val_loss": 0.5, "val_acc": 0.81}),
            (None, 1, {"train_loss": 0.6, "val_loss": 0.4, "val_acc": 0.85}),
        ],
    ),
    "a model card's table": (
        "## Training results\n\n"
        "| Training Loss | Epoch | Step | Validation Loss | Accuracy |\n"
        "|:-------------:|:-----:|:----:|:---------------:|:--------:|\n"
        "| No log        | 1.0   | 250  | 0.3123          | 0.9045   |\n"
        "| 0.8123        | 2.0   | 500  | 0.2123          | 0.9245   |\n\n"
        "### Framework versions\n| Package | Version | Epoch |\n",
        [
            (250, 1.0, {"val_loss": 0.3123, "val_acc": 0.9045}),
            (500, 2.0, {"train_loss": 0.8123, "val_loss": 0.2123, "val_acc": 0.9245}),
        ],
    ),
    "stable-baselines3's boxes": (
        "---------------------------------\n| rollout/           |          |\n|    ep_rew_mean     | 22.1     |\n"
        "| time/              |          |\n|    fps             | 3203     |\n|    total_timesteps | 2048     |\n"
        "---------------------------------\n"
        "-----------------------------------------\n| rollout/                |             |\n"
        "|    ep_rew_mean          | 26.9        |\n| time/                   |             |\n"
        "|    total_timesteps      | 4096        |\n| train/                  |             |\n"
        "|    approx_kl            | 0.008524    |\n|    learning_rate        | 0.0003      |\n"
        "|    loss                 | 6.96        |\n-----------------------------------------\n",
        [
            (2048, None, {"rollout/ep_rew_mean": 22.1}),
            (
                4096,
                None,
                {"rollout/ep_rew_mean": 26.9, "train/approx_kl": 0.008524, "lr": 0.0003, "train_loss": 6.96},
            ),
        ],
    ),
    "spaCy's table": (
        "\u2139 Initial learn rate: 0.001\n"
        "E    #       LOSS TOK2VEC  LOSS NER  ENTS_F  SCORE \n"
        "---  ------  ------------  --------  ------  ------\n"
        "  0       0          0.00     45.00    0.00    0.00\n"
        "  1     200         12.34   1234.56   45.12    0.45\n"
        "\u2714 Saved pipeline to output directory\n",
        [
            (0, 0, {"LOSS_TOK2VEC": 0.0, "LOSS_NER": 45.0, "ENTS_F": 0.0, "val_score": 0.0}),
            (200, 1, {"LOSS_TOK2VEC": 12.34, "LOSS_NER": 1234.56, "ENTS_F": 45.12, "val_score": 0.45}),
        ],
    ),
    "LightGBM": (
        "[LightGBM] [Info] Number of positive: 357, number of negative: 212\n"
        "Training until validation scores don't improve for 50 rounds\n"
        "[10]\ttraining's binary_logloss: 0.31\tvalid_1's binary_logloss: 0.35\n"
        "[20]\ttraining's binary_logloss: 0.21\tvalid_1's binary_logloss: 0.28\n"
        "Early stopping, best iteration is:\n[10]\ttraining's binary_logloss: 0.31\tvalid_1's binary_logloss: 0.35\n",
        [
            (10, None, {"train_binary_logloss": 0.31, "val_binary_logloss": 0.35}),
            (20, None, {"train_binary_logloss": 0.21, "val_binary_logloss": 0.28}),
        ],
    ),
    "CatBoost": (
        "Learning rate set to 0.05\n"
        "0:\tlearn: 0.65\ttest: 0.66\tbest: 0.66 (0)\ttotal: 61ms\tremaining: 1m\n"
        "1:\tlearn: 0.60\ttest: 0.61\tbest: 0.61 (1)\ttotal: 81ms\tremaining: 1m\n",
        [(0, None, {"train": 0.65, "val": 0.66}), (1, None, {"train": 0.6, "val": 0.61})],
    ),
}

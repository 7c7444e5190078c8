"""From a model and batches to a checkpoint.

`session.train` checks what is needed (`preflight`, `beginning`; `resuming` for a run that goes on), prepares data and
the run's folder. `Trainer.train` is the loop: `_update` takes a step, `_gradients` and `_backward` find its gradients,
`_loss` chooses `objective.likelihood_loss` (`cross_entropy`) or `risk.risk_loss`; then `_validate` (`validation`),
`_judge` (`judging`) and `_save` (`checkpoint`).
"""

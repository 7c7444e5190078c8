"""Train a model: the loop, losses, optimizer, validation, checkpoints, and resuming a run.

`session.train` runs the checks (`preflight`, `initialization`; `resume_checks` if it resumes a run), prepares the data
and writes the run folder. `Trainer.train` is the loop: `step` computes `objective.likelihood_loss` (`cross_entropy`) or
`minimum_risk.risk_loss` and updates the weights (`optimizer`, `learning_rate`). Then come the log (`step_statistics`),
the validation (`validation`, `best_checkpoint`) and the checkpoint (`checkpoint`).
"""

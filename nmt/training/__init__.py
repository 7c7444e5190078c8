"""Train a model: the loop, losses, optimizer, validation, checkpoints, and resuming a run.

`session.train`, which is `nmt.train`, runs the checks (`preflight`, `initialization`; `resume_checks` if it resumes a
run), prepares the data, sets torch's global state for the time of training (`torch_state`), writes the run folder and
returns a `TrainedRun`. `Trainer.train` is the loop: `step` computes `objective.likelihood_loss` (`cross_entropy`) or
`minimum_risk.risk_loss` and updates the weights (`optimizer`, `learning_rate`). Then come the means over some steps
(`step_statistics`), the validation (`validation`, `best_checkpoint`) and the checkpoint (`checkpoint`). Each of them is
an event (`events`), which `training_log` writes to the log and passes to the caller. A `StopRequest` (`stop`) ends
training early.
"""

/**
 * subrosa/training: models trained on rows that the trainer cannot read.
 *
 *   LabelledTable, standardised, tableStandardisation, splitTable, areaUnderCurve   the owner's table, in the clear
 *   tuneLogistic, mirrorLogistic        step sizes by a clear mirror of the encrypted run
 *   LogisticProgram                     public: shapes, steps, parameters, keys, who learns what
 *   LogisticOwner                       encrypts rows, opens weights for itself, publishes them by a release
 *   LogisticTrainer                     evaluation keys and encrypted rows in, encrypted weights out
 *   writeTrainingFile, readTrainingFile what they hand to each other
 */
export { type GeneratedTableOptions, generatedTable } from './generated-table.ts';
export {
  areaUnderCurve,
  assertTable,
  type LabelledTable,
  scoresOf,
  splitTable,
  type Standardisation,
  standardised,
  tableStandardisation,
  VALUE_BOUND,
} from './labelled-table.ts';
export {
  type LogisticShape,
  logisticLoss,
  type MirrorResult,
  mirrorLogistic,
  newtonLogistic,
  tuneLogistic,
} from './logistic-clear.ts';
export { LogisticOwner, originalWeights } from './logistic-owner.ts';
export {
  LogisticProgram,
  type LogisticSpec,
  type NesterovStep,
  parseLogisticProgram,
  type ReleaseRule,
} from './logistic-program.ts';
export { LogisticTrainer, type TrainerKeys, type TrainingStep } from './logistic-trainer.ts';
export { readTrainingFile, type TrainingFileKind, writeTrainingFile } from './training-file.ts';

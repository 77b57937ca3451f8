/**
 * subrosa/training: models trained on rows that the trainer cannot read.
 *
 *   LabelledTable, standardised, tableStandardisation, splitTable, areaUnderCurve   the owner's table, in the clear
 *   tuneLogistic, mirrorLogistic        step sizes by a clear mirror of the encrypted run
 *   LogisticProgram                     public: shapes, steps, parameters, keys, who learns what
 *   LogisticOwner                       encrypts rows, opens weights for itself, publishes them by a release
 *   LogisticTrainer                     evaluation keys and encrypted rows in, encrypted weights out
 *   PerceptronProgram, PerceptronOwner, PerceptronTrainer   the same for networks of dense layers, trained and used under encryption
 *   PerceptronMirror                    the clear mirror of that
 *   straightenedPictures, standardisedSamples   what the owner makes of its pictures before it encrypts them
 *   writeTrainingFile, readTrainingFile what they hand to each other
 *   CategoryProgram, CategoryOwner, CategoryTrainer   the estimator by categories: columns chosen under encryption
 *   parseTableProgram                   a program of either kind from JSON
 *   mirrorCategory, exactCategory, quotientCategory   the same in the clear
 *   writeCheckpoint, readCheckpoint     the state of a run between two steps
 */
export {
  assertBinary,
  type CategoryModel,
  categoryRowScores,
  categoryScores,
  exactCategory,
  mirrorCategory,
  quotientCategory,
  scoreOrder,
} from './category/category-clear.ts';
export { CategoryOwner } from './category/category-owner.ts';
export { CategoryProgram, type CategorySpec, parseCategoryProgram } from './category/category-program.ts';
export {
  CATEGORY_STEPS,
  type CategoryRunOptions,
  categoryStates,
  type CategoryStep,
  type CategoryStepName,
  CategoryTrainer,
} from './category/category-trainer.ts';
export {
  type ExpectedCheckpoint,
  readCheckpoint,
  type TrainingCheckpoint,
  writeCheckpoint,
} from './checkpoint.ts';
export { type GeneratedTableOptions, generatedTable, uniformNumbers } from './generated-table.ts';
export {
  areaUnderCurve,
  assertTable,
  type LabelledTable,
  scoresOf,
  signAccuracy,
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
export { LogisticProgram, parseLogisticProgram } from './logistic-program.ts';
export { type LogisticSpec, type NesterovStep, type ReleaseRule } from './logistic-spec.ts';
export {
  LogisticTrainer,
  type TrainerKeys,
  type TrainingInterruption,
  type TrainingStep,
} from './logistic-trainer.ts';
export type { EncryptedBatch } from './perceptron/circuit.ts';
export {
  bestOf,
  type DenseWeights,
  initialPerceptron,
  type LabelledSamples,
  PerceptronMirror,
  type PerceptronRange,
  type PerceptronState,
  stateDifference,
  widerRange,
} from './perceptron/clear.ts';
export { PerceptronOwner } from './perceptron/owner.ts';
export { parsePerceptronProgram, PerceptronProgram } from './perceptron/program.ts';
export {
  batchOrder,
  generatedSamples,
  type GreyPictures,
  samplesAt,
  sampleStandardisation,
  smallPictures,
  standardisedSamples,
  straightenedPictures,
  wholePictures,
} from './perceptron/samples.ts';
export {
  PERCEPTRON_RECIPE,
  type PerceptronActivation,
  type PerceptronLoss,
  type PerceptronSpec,
} from './perceptron/spec.ts';
export { PerceptronTrainer } from './perceptron/trainer.ts';
export { stepSeconds, type StepWork, stepWork } from './perceptron/work.ts';
export {
  type FiledProgram,
  readTrainingFile,
  type TrainingFileKind,
  writeTrainingFile,
} from './training-file.ts';
export { parseTableProgram, type TableProgram } from './training-program.ts';

/** Types of the model's files in a static build, for the modules in `page/local/`; nothing of this is served. */

import type { ModelCard } from "../types.js";

/** `model/model.json`. */
export interface ModelDescription {
  card: ModelCard;
  /** Targets whose probability follows from the classes. */
  targets: string[];
  /** Classes that belong to each target. */
  target_classes: Record<string, string[]>;
  /** `threshold` is null where the risk is that of the most probable diagnosis; `point`: index in `operating_points`. */
  risk: { target: string; threshold: number | null; point: number | null };
  sites: string[];
  has_evaluation: boolean;
  /** Download size of runtime, graph and reference statistics. */
  bytes: number;
  graph: GraphLayout & { sha256: string };
  reference_sha256: string;
  reference: Record<string, { offset: number; shape: number[] }>;
}

/** `tensors`: offset in bytes, and number of values, of each tensor that is sent as 16-bit floats. */
export interface GraphLayout {
  bytes: number;
  tensors: [number, number][];
}

/** The fields of `model/bundle.json` that the engine reads. */
export interface BundleInfo extends Pick<ModelCard, "calibration" | "operating_points" | "preprocessing"> {
  classes: string[];
  crop?: { threshold: number } | null;
  decision_rule: { weights: number[]; min_confidence: number };
  prediction_sets: PredictionSets | null;
  patient_effects: PatientEffects | null;
}

export interface PredictionSets {
  coverage: number;
  class_conditional: Record<string, number | null>;
}

export interface PatientEffects {
  ages: number[];
  age: number[][];
  sex: Record<string, number[]>;
  site: Record<string, number[]>;
  strength: number;
}

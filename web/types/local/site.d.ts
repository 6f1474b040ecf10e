/** What `lesionlab site` writes for the modules in `page/local/`, as types; nothing of this is served. */

import type { OperatingPoint, Estimate, Model, Risk } from "../contract.js";

/** `model/site.json`: what the bundle leaves to the package, and where the numbers of `reference.bin` lie. */
export interface Site {
  notice: string;
  version: string;
  identity: string;
  /** What thresholds look for, with the classes that hold it. */
  findings: Record<string, string[]>;
  /** Without a threshold the risk level is that of the answer. */
  risk: { looked_for: string; threshold: number | null; meaning: string };
  classes: { code: string; name: string; risk: Risk; malignant: boolean | null }[];
  sites: string[];
  explains: boolean;
  refuses: boolean;
  has_evaluation: boolean;
  /** To be loaded before the first answer. */
  bytes: number;
  reference_sha256: string;
  reference: Record<string, { offset: number; shape: number[] }>;
}

/** `model/bundle.json`, as far as it is read here. */
export interface BundleInfo {
  name: string;
  created: string;
  task: string;
  classes: string[];
  preprocessing: { size: number; through: number; interpolation: "bilinear" | "bicubic" };
  /** What part of a picture the graph looks at; null or absent for the whole. */
  crop?: { threshold: number } | null;
  graph_sha256: string;
  calibration: Model["calibration"] & { scales: number[]; offsets: number[] };
  decision: { weights: number[]; uncertain_below: number };
  prediction_sets: PredictionSets | null;
  patient_effects: PatientEffects | null;
  operating_points: OperatingPoint[];
  training_data: Model["training_data"];
  recipe: { name?: string };
  metrics: Record<string, Estimate>;
  licence: string;
}

export interface PredictionSets {
  coverage: number;
  marginal: number;
  by_class: Record<string, number | null>;
}

export interface PatientEffects {
  ages: number[];
  age: number[][];
  sex: Record<string, number[]>;
  site: Record<string, number[]>;
  strength: number;
}

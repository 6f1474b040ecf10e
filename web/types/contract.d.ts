/** What the server's API says, as types. The page's modules name them in JSDoc; nothing of this is served. */

export interface Bundle {
  name: string;
  identity: string;
  graph_sha256: string;
}

interface Envelope {
  notice: string;
  version: string;
  request_id: string;
  bundle: Bundle;
}

export interface ClassProbability {
  code: string;
  name: string;
  probability: number;
  malignant: boolean | null;
}

export interface OperatingPoint {
  name: string;
  target_sensitivity: number;
  looked_for: string;
  threshold: number;
  sensitivity: number;
  specificity: number;
  ppv: number;
  npv: number;
  prevalence: number;
  measured_on: string;
}

export interface JudgedPoint extends OperatingPoint {
  suspicious: boolean;
}

export type Risk = "high" | "moderate" | "low";

export interface Result {
  diagnosis: string;
  classes: ClassProbability[];
  malignant: number | null;
  risk: Risk | null;
  operating_points: JudgedPoint[];
  prediction_set: null | { coverage: number; marginal: string[]; by_class: string[] };
  refusal: null | { reasons: { code: string; message: string }[] };
  notes: string[];
}

export interface Answer extends Envelope {
  result: Result;
}

export interface Explanation {
  method: string;
  diagnosis: string;
  name: string;
  rows: number;
  columns: number;
  values: number[][];
}

/** A training image, as the dataset describes it. */
export interface SimilarCase {
  image_id: string;
  lesion_id: string;
  diagnosis: string;
  name: string;
  similarity: number;
}

export interface Lesion {
  area: number;
  diameter: number;
  touches_border: boolean;
  asymmetry: [number, number];
  border_irregularity: number;
  colours: Record<string, number>;
}

export interface ExplainedAnswer extends Answer {
  explanation: Explanation;
  /** Null for a model that does not name its training images. */
  similar: SimilarCase[] | null;
  /** Null where none was found; absent where nobody has looked: the model in the browser does not. */
  lesion?: Lesion | null;
}

export interface Patient {
  age?: string;
  sex?: string;
  site?: string;
}

export interface Estimate {
  value: number | null;
  low: number | null;
  high: number | null;
}

export interface Model extends Envelope {
  task: string;
  classes: { code: string; name: string; risk: Risk; malignant: boolean | null }[];
  operating_points: OperatingPoint[];
  risk_meaning: string;
  metrics: Record<string, Estimate>;
  calibration: { method: string; temperature: number; images: number; ece_before: number; ece_after: number; offsets?: number[] };
  training_data: {
    leaky: boolean;
    lesions_known: boolean;
    images: Record<string, number>;
    lesions: Record<string, number>;
    sources: string[];
    manifest_sha256: string;
    split_sha256: string;
  };
  preprocessing: { size: number };
  licence: string;
  created: string;
  recipe: string | null;
  explains: boolean;
  refuses: boolean;
  limits: { max_bytes: number; max_pixels: number; max_batch: number; formats: string[] };
}

export interface RocCurve {
  auc: Estimate;
  points: { fpr: number; tpr: number }[];
}

export interface Evaluation {
  graph_sha256: string;
  dataset: string;
  part: string;
  unseen: boolean;
  leaky: boolean;
  date: string;
  n_images: number;
  n_lesions: number;
  classes: string[];
  support: Record<string, number>;
  confusion_matrix: number[][];
  overall: Record<string, Estimate>;
  per_class: Record<string, Record<string, Estimate>>;
  operating_points: OperatingPoint[];
  roc: Record<string, RocCurve>;
  reliability: { confidence: number; accuracy: number; count: number }[];
  history: Epoch[];
  subgroups: Subgroup[];
}

export interface Epoch {
  epoch: number;
  train_loss: number | null;
  validation_loss: number | null;
  validation_balanced_accuracy: number | null;
}

export interface Subgroup {
  group: string;
  value: string;
  n_images: number;
  n_lesions: number;
  balanced_accuracy: Estimate | null;
  malignant_auc: Estimate | null;
}

/** RFC 9457. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  request_id: string;
}

/** Types of the model's files in a static build, for the modules in `page/local/`; nothing of this is served. */

import type { ModelCard } from "../types.js";

/** `model/model.json`. */
export interface ModelDescription {
  card: ModelCard;
  /** A pixel belongs to the lesion at or above it; null for a graph without segmentation. */
  crop_threshold: number | null;
  /** The limit of the output `dermoscopic`; null for a graph without it. */
  dermoscopy: { threshold: number; validation_share: number } | null;
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

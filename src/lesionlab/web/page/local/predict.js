/** Judges images: the engine proper, which knows of no page and no worker. */

import { EngineError } from "../engine.js";
import { explanation, pooled } from "./answer/map.js";
import { known } from "./answer/patient.js";
import { reasonsAgainst, withoutLesion } from "./answer/refusal.js";
import { result } from "./answer/result.js";
import { prepared } from "./image/prepare.js";
import { envelope } from "./model.js";

/** @typedef {import("./answer/result.js").Seen & Pick<import("./graph.js").Seen, "map" | "crop">} Seen */
/** @typedef {import("../contract.js").Patient} Patient */

// What was seen of the last images is kept: another map or other patient data then need no second look.
const KEPT = 16;

export class Judge {
  #model;
  /** @type {Map<number, Seen>} */
  #seen = new Map();

  /** @param {import("./model.js").Loaded} model */
  constructor(model) {
    this.#model = model;
  }

  /**
   * @param {Blob} image
   * @param {number} key The same for the same image.
   * @param {Patient} patient
   * @returns {Promise<import("../contract.js").Answer>}
   */
  async predict(image, key, patient) {
    const { description } = this.#model;
    const told = known(patient, description.site.sites);
    return { ...envelope(description), result: result(description, await this.#look(image, key), told) };
  }

  /**
   * @param {Blob} image
   * @param {number} key
   * @param {string | null} diagnosis Null: the answer.
   * @param {Patient} patient
   * @returns {Promise<import("../contract.js").ExplainedAnswer>}
   */
  async explain(image, key, diagnosis, patient) {
    const { description, reference } = this.#model;
    const answer = await this.predict(image, key, patient);
    const { map, crop } = await this.#look(image, key);
    if (!reference.head || !map) throw new EngineError("absent", "this model cannot tell where it looked");
    const index = description.info.classes.indexOf(diagnosis ?? answer.result.diagnosis);
    const named = description.site.classes[index];
    if (!named) throw new EngineError("image", `diagnosis: it should be one of ${description.info.classes.join(", ")}`);
    const channels = reference.head.length / description.info.classes.length;
    const weights = reference.head.subarray(index * channels, (index + 1) * channels);
    return { ...answer, explanation: explanation(weights, map, crop, named), similar: null };
  }

  /**
   * @param {Blob} image
   * @param {number} key
   * @returns {Promise<Seen>}
   */
  async #look(image, key) {
    const found = this.#seen.get(key);
    if (found) return found;
    const { description, graph, reference, jpeg } = this.#model;
    const ready = await prepared(image, description.info.preprocessing, jpeg);
    const { logits, map, crop, lesion } = await graph.run(ready.pixels, ready.size, reference.head !== null || reference.features !== null);
    const against = reasonsAgainst(reference, ready, map && pooled(map));
    const reasons = [...against, ...withoutLesion(lesion, description.info.crop?.threshold ?? 0.5)];
    const seen = { logits, map, crop, notes: ready.notes, reasons };
    this.#seen.set(key, seen);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > KEPT && oldest !== undefined) this.#seen.delete(oldest);
    return seen;
  }
}

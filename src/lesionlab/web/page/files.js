/** The files of a drop or a paste, with those in folders. */

import { t } from "./messages.js";

/** @typedef {{ file: File, name: string }} NamedFile */

// Files that a folder may hold beside images. A file without a suffix may be a DICOM file.
const IMAGE_NAME = /(^|\/)[^./][^./]*$|\.(jpe?g|png|webp|tiff?|bmp|gif|dcm|heic|heif|avif|jp2|jxl)$/i;

/**
 * The files of a drop or paste. Hidden files and files of other kinds in folders are left out, and counted in a note.
 * @param {DataTransfer | null} transfer
 * @returns {Promise<{ files: NamedFile[], note: string }>} `note`: empty if nothing is left out.
 */
export async function transferredFiles(transfer) {
  // The items are emptied once the event has been handled.
  const entries = [...(transfer?.items ?? [])].map((item) => item.webkitGetAsEntry?.());
  const files = [...(transfer?.files ?? [])].map((file) => ({ file, name: file.name || t("pasted") }));
  if (!entries.some((entry) => entry?.isDirectory)) return { files, note: "" };
  const found = (await Promise.all(entries.map((entry) => (entry ? filesIn(entry) : [])))).flat();
  return onlyImages(found);
}

/**
 * The images among the files of a folder.
 * @param {NamedFile[]} found
 */
export function onlyImages(found) {
  const files = found.filter(({ name }) => IMAGE_NAME.test(name));
  const others = found.length - files.length;
  return { files, note: others > 0 ? t("files.leftOut", { count: others }) : "" };
}

/**
 * @param {FileSystemEntry} entry
 * @returns {Promise<NamedFile[]>}
 */
async function filesIn(entry) {
  const name = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
    return [{ file, name }];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  /** @type {NamedFile[][]} */
  const found = [];
  for (;;) {
    // A call returns a part of the entries, and none at the end.
    const entries = await new Promise((/** @type {(entries: FileSystemEntry[]) => void} */ resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return found.flat().sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
    found.push(...(await Promise.all(entries.map(filesIn))));
  }
}

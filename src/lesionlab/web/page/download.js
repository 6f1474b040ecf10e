/** Files that the page hands to the reader. */

/**
 * @param {string} name
 * @param {string} type
 * @param {string} content
 */
export function download(name, type, content) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken the content over by then; without this it would stay in memory.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/**
 * @param {Blob} blob
 * @returns {Promise<string>} A data: address that holds the content itself.
 */
export function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** Downloads of files that the page creates. */

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
  // The browser has read the content by then; without this it stays in memory.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/**
 * @param {Blob} blob
 * @returns {Promise<string>} A data: URL.
 */
export function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

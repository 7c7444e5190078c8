// Text files that the user opens or drops, and the translation as a file or on the clipboard.

const MOST_BYTES = 5e6; // of a file, if the server sets no limit on the characters

/** Return the text of a file. Throws an error whose text is for the user. */
export async function readTextFile(file, characterLimit) {
  const limit = characterLimit > 0 ? 4 * characterLimit : MOST_BYTES; // a character has at most 4 bytes in UTF-8
  if (file.size > limit) {
    throw new Error(`${file.name} is too large (${file.size.toLocaleString("en")} bytes)`);
  }
  let text = null;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch (error) {
    if (!(error instanceof TypeError)) {
      // the file was deleted, or must not be read
      throw new Error(`${file.name} could not be read`);
    }
  }
  if (text === null || text.includes("\0")) {
    throw new Error(`${file.name} is not a text file in UTF-8`);
  }
  return text.replace(/\r\n?/g, "\n").replace(/\n$/, "");
}

/** Call `onFile` with a file that is dropped anywhere on the page; show `hint` while one is dragged over it. */
export function acceptDrops(hint, onFile) {
  let depth = 0; // each element under the pointer sends its own dragenter and dragleave
  const show = (isShown) => {
    depth = isShown ? depth : 0;
    hint.hidden = !isShown;
  };
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
  document.addEventListener("dragenter", (event) => {
    if (hasFiles(event)) {
      depth++;
      show(true);
    }
  });
  document.addEventListener("dragleave", (event) => {
    if (hasFiles(event) && --depth <= 0) {
      show(false);
    }
  });
  document.addEventListener("dragover", (event) => {
    if (hasFiles(event)) {
      event.preventDefault();
    }
  });
  document.addEventListener("drop", (event) => {
    show(false);
    if (hasFiles(event)) {
      event.preventDefault();
      onFile(event.dataTransfer.files[0]);
    }
  });
}

/** Let the browser save a text as a file. */
export function saveAsFile(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Copy a text. The Clipboard API needs HTTPS or localhost; elsewhere an invisible textarea is copied from. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement;
    const area = document.createElement("textarea");
    area.className = "visually-hidden";
    area.value = text;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return isCopied;
  }
}

// Requests to the server: one function for each route that the page uses, and repetition after temporary errors.

const TEMPORARY = new Set([429, 502, 503, 504]); // 502 and 504 are a proxy's answers while the server is stopped
const LONGEST_WAIT = 30; // seconds

/** The server answered with an error. `message` is the server's text, `retryAfter` its wish in seconds or null. */
export class ServerError extends Error {
  constructor(status, message, retryAfter = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  get isTemporary() {
    return TEMPORARY.has(this.status);
  }
}

/** No answer came: the server is stopped, or the network is down. */
export class NoAnswer extends Error {}

let apiKey = "";

/** Set the key that is sent with each request. */
export function useKey(key) {
  apiKey = key.trim();
}

async function request(path, body, signal) {
  const headers = { Accept: "application/json" };
  if (/[^!-~]/.test(apiKey)) {
    throw new ServerError(403, "Invalid API key"); // such a header cannot be sent
  }
  if (apiKey) {
    headers.Authorization = `Bearer ${apiKey}`;
  }
  const options = { headers, signal, cache: "no-store", credentials: "same-origin" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  }
  let response, text;
  try {
    response = await fetch(path, options); // relative, so that the page works behind a proxy under a path
    text = await response.text();
  } catch (error) {
    throw error.name === "AbortError" ? error : new NoAnswer("The server does not answer");
  }
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // Not JSON: a proxy's page, or an answer that was cut off. Reported below.
  }
  if (!response.ok || answer === null) {
    const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
    const status = response.ok ? 502 : response.status;
    const message =
      typeof answer?.error === "string" ? answer.error : `The server answered with status ${response.status}`;
    throw new ServerError(status, message, wait >= 0 ? wait : null);
  }
  return answer;
}

export const fetchLanguages = (signal) => request("languages", undefined, signal);
export const fetchSettings = (signal) => request("frontend/settings", undefined, signal);
export const fetchModels = async (signal) => (await request("v1/models", undefined, signal)).models;
export const detect = (text, signal) => request("detect", { q: text }, signal);
export const translate = async (body, signal) => (await request("v1/translate", body, signal)).translations;

/** Wait, or throw the signal's reason as soon as it is aborted. */
export function sleep(seconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/**
 * Return what `action` returns; call it again while the server is busy, limits the rate or does not answer.
 *
 * `onWait(error, seconds)` is called before each pause: the pause the server asks for, else one that doubles each time.
 */
export async function withRetries(action, signal, onWait) {
  for (let pause = 1; ; pause = Math.min(2 * pause, LONGEST_WAIT)) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof NoAnswer) && !(error instanceof ServerError && error.isTemporary)) {
        throw error;
      }
      const seconds = Math.max(error.retryAfter ?? pause, 0.5);
      onWait(error, seconds);
      await sleep(seconds, signal);
    }
  }
}

// Calls of the API from a page: by the session, with its CSRF token where something is written; errors are sentences.

export class Api {
  /** `base`: where the pages start; `page`: an element with the CSRF token in it. */
  constructor(base, page) {
    this.base = base;
    this.token = page.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
  }

  /** The answer as an object; {error: {message, field}} when it was refused or did not come. Null when it was given up. */
  async call(method, path, { body, asked = {}, signal, keepalive } = {}) {
    const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== undefined && value !== ""));
    const headers = method === "GET" ? {} : { "Content-Type": "application/json", "X-CSRFToken": this.token };
    try {
      const address = `${this.base}api/v1/${path}${query.size ? `?${query}` : ""}`;
      const response = await fetch(address, { method, headers, signal, keepalive, body: body && JSON.stringify(body) });
      const text = await response.text();
      if (response.status === 401) location.reload(); // signed out: the server shows the way in
      return text ? JSON.parse(text) : {};
    } catch (error) {
      if (error.name === "AbortError") return null;
      const nothing = method === "GET" ? "" : "; it is not known whether anything was done";
      return { error: { message: `Weir does not answer${nothing}.` } };
    }
  }

  get(path, asked, signal) {
    return this.call("GET", path, { asked, signal });
  }
}

// The server: questions, labels, and its news as they come. The token, where one is asked for, stays in this tab.
import { byId, setText } from "./dom";

const kToken = "anomctl-token";

function headers(): Record<string, string> {
  const token = sessionStorage.getItem(kToken);
  return token ? { authorization: `Bearer ${token}` } : {};
}

let asking: Promise<void> | null = null;

// Asks the person for a token, once for all who wait.
function askToken(why: string): Promise<void> {
  asking ??= new Promise((resolve) => {
    const dialog = byId<HTMLDialogElement>("login");
    const input = byId<HTMLInputElement>("token");
    setText(byId("login-why"), why);
    input.value = "";
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(kToken, input.value.trim());
      asking = null;
      resolve();
    }, { once: true });
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.showModal();
  });
  return asking;
}

async function reach(path: string, options: RequestInit): Promise<Response> {
  for (;;) {
    const response = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
    if (response.status !== 401) return response;
    await askToken(sessionStorage.getItem(kToken) ? "This token is not known here." : "");
  }
}

async function take<T>(response: Response): Promise<T> {
  const body = (await response.json()) as T & { error?: string };
  if (!response.ok) throw new Error(body.error ?? `the server answers ${response.status}`);
  return body;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return take<T>(await reach(path, { signal: signal ?? null }));
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  return take<T>(await reach(path, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  }));
}

export interface NewsParts {
  path: () => string;
  onOpen: () => void;
  onEvent: (name: string, data: unknown) => void;
  onLost: (why: string) => void;
}

// Server-sent events by fetch, for EventSource cannot send a token. Comes back by itself.
export class News {
  private abort = new AbortController();

  constructor(private readonly parts: NewsParts) {
    void this.run();
  }

  // The path has changed.
  restart(): void {
    this.abort.abort();
  }

  private async run(): Promise<void> {
    for (;;) {
      this.abort = new AbortController();
      try {
        const response = await reach(this.parts.path(), { signal: this.abort.signal });
        if (!response.ok || !response.body) throw new Error(`the server answers ${response.status}`);
        this.parts.onOpen();
        await this.read(response.body);
        this.parts.onLost("the server has ended the connection");
      } catch (error) {
        if (this.abort.signal.aborted) continue;
        this.parts.onLost(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  private async read(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const events = (rest + value).split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) {
        const [name, data] = event.split("\n");
        if (name?.startsWith("event: ") && data?.startsWith("data: "))
          this.parts.onEvent(name.slice(7), JSON.parse(data.slice(6)));
      }
    }
  }
}

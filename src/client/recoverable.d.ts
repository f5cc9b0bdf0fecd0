/** What a client has seen of each group. It holds no secret; keep it where a client should outlive its page. */
export type Positions = Record<string, string>;

/** What may be sent: as for a WebSocket. */
export type Data = string | ArrayBuffer | ArrayBufferView | Blob;

export interface Presence<Entry = Record<string, unknown>> {
  /** By identity, what each says of itself; 1,000 at most. */
  entries: Record<string, Entry>;
  /** How many are present in all. */
  count: number;
  /** Identities that were not in the entries before. */
  joined: string[];
  /** Identities that are not any more. */
  left: string[];
}

/** "stopped": it does not connect again; a new Client is needed. */
export type State = "connecting" | "connected" | "waiting" | "stopped";

export interface StateDetail {
  /** Why the connection ended: its close code. 1006: without a word, or a handshake that failed for whatever reason. */
  code?: number;
  reason?: string;
  /** Milliseconds until the next attempt. */
  pause?: number;
}

export interface Options {
  /** Each frame of the application; its group, or "" where it belongs to none. */
  onMessage?(data: string | Uint8Array, group: string): void;
  /** What was missed of this group comes next, before what is new. */
  onRecovered?(group: string): void;
  /** What was missed of this group cannot be had any more: reload what the page shows of it, unless the server sends it. */
  onLost?(group: string): void;
  /** Who is present in a group has changed. */
  onPresence?(group: string, presence: Presence): void;
  onState?(state: State, detail: StateDetail): void;
  /** Of an earlier client. */
  positions?: Positions;
  /** Frames that may wait for a connection (100). */
  queue?: number;
  /** Bytes that the browser may hold of what was sent (1 MiB). */
  buffer?: number;
  /** Milliseconds of silence after which the line is tested (15,000). */
  ping?: number;
  /** Milliseconds for the answer, and for a handshake (10,000). */
  timeout?: number;
}

export class Client {
  /** Connects at once. `url` may be relative to the page, and begin with http or ws; a function is called for each attempt. */
  constructor(url: string | URL | (() => string | URL), options?: Options);
  readonly state: State;
  /** A copy. */
  readonly positions: Positions;
  /**
   * Sends now, or with the next connection. False: it was not taken, because too much waits, or the client has stopped.
   * What was taken by a line that then breaks may be lost: let the server confirm what must arrive.
   */
  send(data: Data): boolean;
  /** Ends the connection, and the client. */
  close(): void;
}

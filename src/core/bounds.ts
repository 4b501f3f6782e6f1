/**
 * Every bound on memory, length and time that is not in the configuration, with the reason for its value.
 * `docs/bounds.md` is printed from this table.
 */

export interface Bound {
  readonly value: number;
  readonly unit: 'bytes' | 'ms' | 'count';
  readonly reason: string;
}

function bound(value: number, unit: Bound['unit'], reason: string): Bound {
  return { value, unit, reason };
}

const KB = 1024;
const MB = 1024 * KB;

// biome-ignore format: a table reads best with one row a line.
export const BOUND_TABLE = {
  headerBytesMax: bound(16 * KB, 'bytes', 'Sum of names and values of a request’s headers. nginx takes 4 x 8 KB; keys, traces and cookies of real SDKs stay below 4 KB.'),
  headerCountMax: bound(96, 'count', 'uWebSockets.js stops at 100 by itself without an answer (uNetworking/uWebSockets#1779); below that Weir can answer 431.'),
  headerBlockBytesMax: bound(64 * KB, 'bytes', 'What uWebSockets.js may hold while it parses a head (UWS_HTTP_MAX_HEADERS_SIZE); above headerBytesMax, so that Weir gives the answer.'),
  targetBytesMax: bound(8 * KB, 'bytes', 'Path and query together, as in nginx (large_client_header_buffers).'),
  bodyPeekBytesMax: bound(1 * MB, 'bytes', 'A body that can name no model (files, octets) and is larger than this streams from its first byte.'),
  bodyCollectBytesMax: bound(32 * MB, 'bytes', 'Up to here a body is held whole before it is passed on, so that two `model` fields in it are seen. A larger one streams if it has named its model by then, else it is refused (413). OpenAI takes audio of at most 25 MB, and SDKs put the file before the model.'),
  bodyCollectTotalBytesMax: bound(512 * MB, 'bytes', 'All bodies that one worker holds at a time; beyond it 503, because a worker must never grow without end.'),
  uploadBufferBytesMax: bound(256 * KB, 'bytes', 'Of a streamed upload that the provider has not taken yet; beyond it the client is paused.'),
  drainUnreadBytesMax: bound(64 * KB, 'bytes', 'Of a refused request’s body that is read and thrown away to keep the connection; a longer one closes it.'),
  timerTickMs: bound(20, 'ms', 'The timeouts’ precision: checked once a tick for all exchanges of a worker, well inside the promised 50 ms.'),
  logBatchBytesMax: bound(256 * KB, 'bytes', 'Log lines that a worker gathers before it tells the primary of them.'),
  logFlushMs: bound(50, 'ms', 'The longest that a log line waits in a worker.'),
  logPendingBytesMax: bound(8 * MB, 'bytes', 'Log lines of a worker that are not written yet, in memory that it shares with the primary; beyond it lines are dropped and counted, never waited for.'),
  workerReadyMs: bound(10_000, 'ms', 'The longest that a worker may take to listen before the start is given up.'),
  stopListeningMs: bound(1_000, 'ms', 'The longest that a drain waits for every worker to stop listening before the first tells its clients to connect elsewhere; a worker takes a turn of its loop for it.'),
  lingerMs: bound(250, 'ms', 'After the last answer of a worker that drains, for clients to take the end of it; then their connections are closed.'),
  watchdogMs: bound(5_000, 'ms', 'After the time for draining is over; a process that has not ended by then kills itself.'),
  metricsReplyMs: bound(500, 'ms', 'The longest that a scrape waits for a worker’s histograms; a later one is shown with its last known values.'),
  adminRequestBytesMax: bound(64 * KB, 'bytes', 'Of a request to the admin port.'),
  configDepthMax: bound(64, 'count', 'Levels of a configuration file; a valid one has 6. The YAML library calls itself for each, and where it runs out of stack V8 may end the process.'),
  suggestionsMax: bound(3, 'count', 'Nearest names in an error message; more would hide the best one.'),
  suggestionNameCharsMax: bound(128, 'count', 'Characters of a name that are compared when the nearest is sought; model names of providers stay below, and the asked one is a stranger’s.'),
  suggestionCandidatesMax: bound(5_000, 'count', 'Names that are compared when the nearest is sought; it runs on the event loop of a worker, and that many take about 10 ms if all are alike, far less otherwise.'),
  keyBytesMax: bound(4 * KB, 'bytes', 'Of a key that is hashed to find its consumer; real ones, JSON web tokens included, are shorter, and hashing more is work for nothing.'),
  rememberedKeysMax: bound(131_072, 'count', 'Headers with a key that was right and are remembered as they came, for each worker, so that the key need not be hashed again (1 to 2 µs each): hardly more than keys are configured, and some 110 bytes each. When so many were added the ones before them go that were not used since, so there may be twice as many.'),
  rememberedKeyBytesMax: bound(256, 'bytes', 'Of a header with a key that is remembered; Weir’s own have about 60. Longer keys are hashed each time.'),
  rememberedNameBytesMax: bound(64, 'bytes', 'Of a request header’s name that is remembered with what it means, two for each position in a head; real ones have fewer than 40.'),
  partHeadBytesMax: bound(8 * KB, 'bytes', 'Of the header lines of one part of a form; real ones stay below 1 KB.'),
  partCountMax: bound(1024, 'count', 'Parts of a form. A form of a provider’s API has fewer than 64; looking at each costs the loop about 1 µs.'),
  logPathBytesMax: bound(256, 'bytes', 'Of a path in the access log; the paths of the known APIs stay below 120.'),
  logFieldBytesMax: bound(128, 'bytes', 'Of any other text in the access log that the client chose, such as the model’s name.'),
  logDetailBytesMax: bound(512, 'bytes', 'Of the sentence in the access log that says what went wrong.'),
  logExitMs: bound(1_000, 'ms', 'The longest that the last log lines hold up the end of the process when nobody reads them.'),
  logRetryMs: bound(1_000, 'ms', 'After a failed write of log lines (a full disk), how long lines are dropped and counted before it is tried again.'),
  histogramsMax: bound(256, 'count', 'Latency histograms of one worker, 27 KB each; routes beyond that share one that is labelled `(other)`.'),
  adminRequestMs: bound(5_000, 'ms', 'The longest that the admin port waits for a request to be complete, and for an idle connection’s next one.'),
  uploadProbedBytesMax: bound(4 * MB, 'bytes', 'While an upload is paused uWebSockets.js does not see the client go, so once a tick a little more is read, up to here.'),
  streamedUploadsTotalBytesMax: bound(512 * MB, 'bytes', 'Of all streamed uploads of one worker that the providers have not taken yet; beyond it 503. Pausing a client keeps far below it, but on Node 24 one on the same machine may be read on for a while in spite of it.'),
  usageObjectBytesMax: bound(16 * KB, 'bytes', 'Of a usage object in a provider’s answer that is gathered and read. Real ones stay below 1 KB, and Anthropic’s with a list of iterations below 8 KB; a larger one counts as none.'),
  answerEndBytesMax: bound(1024, 'bytes', 'Of an answer’s end, from its usage on, that is remembered to read the next one’s by. Real ones have 100 to 500.'),
  unreadEventBytesMax: bound(8 * KB, 'bytes', 'Of a stream’s first events and one of 32 after them, kept as they came for an estimate that only a stream needs which ends early; when more come those before them are read. The 16 first ones have 4 to 6 KB.'),
  unreadEventBuffersMax: bound(64, 'count', 'Buffers of that size that a worker keeps for the next streams; more are made when more streams run at a time, and dropped afterwards.'),
  filteredEventBytesMax: bound(64 * KB, 'bytes', 'Of one event of a stream that is held until it is whole, where Weir asked for usage that the client must not see. Real ones stay below 2 KB; a larger one goes on as it is.'),
  tokensMax: bound(100_000_000, 'count', 'The most tokens that one exchange is believed to use. No model reads a tenth of it; a larger number is a mistake or a lie, and sums of it would not be exact.'),
  pricedNamesMax: bound(1024, 'count', 'Prices found for names that clients write (`"*"`), kept for each target of a worker; the oldest makes room.'),
  pricedNameCharsMax: bound(256, 'count', 'A longer name of a model is not looked up in the price list. The longest listed name has 80 characters.'),
  estimatedModelsMax: bound(512, 'count', 'Models of which one worker has learned how many tokens their requests and answers have, some 200 bytes each; the longest unused makes room.'),
  exactCountBodyBytesMax: bound(4 * MB, 'bytes', 'A larger body is estimated, never counted: a million tokens of text, the longest prompts there are, have some 4 MB and take a thread half a second.'),
  exactCountThreadsMax: bound(2, 'count', 'Threads that count tokens, of the whole gateway; each holds 60 to 100 MB of vocabularies.'),
  exactCountQueueMax: bound(32, 'count', 'Bodies that wait to be counted, of the whole gateway; beyond it the estimate is used.'),
  exactCountPendingMax: bound(16, 'count', 'Counts that one worker waits for; beyond it the estimate is used.'),
  exactCountMs: bound(500, 'ms', 'The longest that an exchange waits for its exact count; then the estimate is used. A prompt for which it matters takes a provider seconds to read.'),
  exactCountTaskMs: bound(5_000, 'ms', 'The longest that a thread may count at one body, loading its vocabulary included; then the thread is ended.'),
  exactCountIdleMs: bound(300_000, 'ms', 'A counting thread without work ends after it, and its memory is free.'),
  exactCountHeapBytesMax: bound(512 * MB, 'bytes', 'Heap of one counting thread; a body whose parsed form needs more ends the thread, and the estimate is used.'),
  exactCountRunCharsMax: bound(128, 'count', 'Longer runs without a space are counted in pieces, because merging bytes to tokens takes time by the square of a run.'),
  limitSeriesMax: bound(1000, 'count', 'Limits that have series of their own on /metrics; all are under /api/limits.'),
  snapshotEveryMs: bound(2_000, 'ms', 'Between two snapshots of the buckets: the most spending that a killed process forgets.'),
  smallWriteSlabsMax: bound(64, 'count', 'Slabs of 64 KB that a worker writes requests from, and keeps them in until their answers begin: 4 MB, or a thousand requests of 4 KB. Of older ones none can be sent again when its connection proves stale.'),
  largeWriteSlabsMax: bound(4, 'count', 'The same of 1 MB, for long prompts; to get as much fresh memory costs more than the request.'),
  staleConnectionMs: bound(1_000, 'ms', 'A connection that is lost within so long of a request was closed already when that was sent: word of it takes a round trip. Later, the provider may have worked on the request.'),
  dnsTtlMs: bound(5_000, 'ms', 'How long a provider’s addresses are believed. The system’s resolver does not say how long it might be; this follows a change soon, and costs a busy worker a lookup each 5 s.'),
  dnsPatienceMs: bound(250, 'ms', 'The longest that a new connection waits for a lookup where addresses of before are known; then those are used.'),
  dnsRetryMs: bound(1_000, 'ms', 'After a failed lookup, until it is tried again; the addresses of before are used meanwhile.'),
  dnsStaleMs: bound(600_000, 'ms', 'The longest that addresses are used when no lookup succeeds any more.'),
  dnsAddressesMax: bound(16, 'count', 'Addresses of one answer that are used.'),
  dnsMissedMax: bound(2, 'count', 'Answers in a row that an address may be missing from before its connections are not used again. Some names are answered with a part of their addresses, another one each time.'),
  addressFailedMs: bound(30_000, 'ms', 'How long an address that could not be connected to is tried after all others.'),
  connectAttemptMs: bound(250, 'ms', 'After it the next address is tried beside the one before (RFC 8305, section 8).'),
  proxyHeadBytesMax: bound(8 * KB, 'bytes', 'Of a proxy’s answer to CONNECT; real ones stay below 1 KB.'),
  warmDialsMax: bound(4, 'count', 'Connections of a worker to one provider that are opened in advance at a time.'),
  warmBackoffMs: bound(100, 'ms', 'After a connection could not be opened in advance, until the next try; doubled each time.'),
  warmBackoffMsMax: bound(30_000, 'ms', 'The longest time between two such tries.'),
  reservationsKeptMax: bound(4096, 'count', 'Reservations that a worker keeps for the next exchanges; more are made when more run at a time, and dropped afterwards.'),
  exactCountBodyBytesMin: bound(16 * KB, 'bytes', 'Of a body whose prompt is counted where the estimate would refuse it; for a shorter one the two hardly differ.'),
  limitClaimMs: bound(1_000, 'ms', 'The longest that a worker may take to finish what it began with a slot, a few microseconds of work; then others take it for dead and the slot for free.'),
  snapshotBytesMax: bound(256 * MB, 'bytes', 'Of the file that buckets are saved to; a larger one is not read. 300,000 buckets, none of them full, take about 15 MB.'),
  limitsPerConsumerMax: bound(64, 'count', 'Limits of one consumer, its tier’s included; every call is counted by each, at about 0.2 µs.'),
  limitRowsMax: bound(2_000_000, 'count', 'Rows of the limit table, one for each limit of each consumer: 64 bytes, and 8 for each worker. 100,000 consumers with three limits need 300,000.'),
  limitWorkersMax: bound(256, 'count', 'Workers that share the limit table; more than one a core is of no use.'),
  limitSlotsMax: bound(1_000_000, 'count', 'Slots for consumers that are not configured, such as addresses; their rows count as rows of the limit table.'),
  userBytesMax: bound(1024, 'bytes', 'Of the JSON string that names the end user, where users have limits: it is hashed for each request. OpenAI’s own names for them are of at most 64 characters.'),
  limitSlotWindow: bound(32, 'count', 'Slots among which such a consumer’s is looked for: four cache lines of words. Measured: with half of all slots in use one new consumer in 5,000 finds none, with 60 % one in 500, with 70 % one in 60.'),
} as const satisfies Record<string, Bound>;

export type BoundName = keyof typeof BOUND_TABLE;

/** The bare values, so that hot code reads a plain number. */
export const BOUNDS = Object.freeze(
  Object.fromEntries(Object.entries(BOUND_TABLE).map(([name, entry]) => [name, entry.value])),
) as Readonly<Record<BoundName, number>>;

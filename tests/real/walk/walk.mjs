// The walk of README.md with the TypeScript SDK: `node walk.mjs ORDER`, one JSON line on stdout for each thing seen.
//
// ORDER is JSON: {"era": "2025" or "2026-07-28", "steps": STEPS, "config": FILE, "addition": TEXT} and where to go:
// {"command": [PROGRAM, ...]} or {"url": URL, "token": TOKEN or null}. With "package": "sdk" it is the SDK's version 1,
// which knows the era of 2025 alone; with "client" it is version 2, which knows both. walk.py is the same in Python.
import { appendFileSync } from "node:fs";

const ANSWER_LIMIT_MS = 20_000;
const order = JSON.parse(process.argv[2]);
const answers = []; // what the person behind this client says when asked, in this order
const asked = [];
let changed = () => {};

const say = (step, saw) => process.stdout.write(JSON.stringify({ step, saw }) + "\n");
const within = (promise, what) =>
  Promise.race([
    promise,
    new Promise((_, fail) => setTimeout(() => fail(new Error(`${what}: nothing in ${ANSWER_LIMIT_MS} ms`)), ANSWER_LIMIT_MS).unref()),
  ]);

async function sdk() {
  if (order.package === "sdk") {
    const root = "@modelcontextprotocol/sdk";
    const { Client } = await import(`${root}/client/index.js`);
    const { StdioClientTransport } = await import(`${root}/client/stdio.js`);
    const { StreamableHTTPClientTransport } = await import(`${root}/client/streamableHttp.js`);
    const { ElicitRequestSchema } = await import(`${root}/types.js`);
    return { Client, StdioClientTransport, StreamableHTTPClientTransport, elicitation: ElicitRequestSchema };
  }
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  return { Client, StdioClientTransport, StreamableHTTPClientTransport, elicitation: "elicitation/create" };
}

function transport({ StdioClientTransport, StreamableHTTPClientTransport }) {
  if (order.command) {
    const [command, ...args] = order.command;
    return new StdioClientTransport({ command, args, env: process.env });
  }
  const headers = order.token ? { Authorization: `Bearer ${order.token}` } : {};
  return new StreamableHTTPClientTransport(new URL(order.url), { requestInit: { headers } });
}

async function connect() {
  const parts = await sdk();
  const client = new parts.Client(
    { name: "walk", version: "1" },
    {
      capabilities: { elicitation: { form: {} } },
      listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged: () => changed() } },
      ...(order.era === "2025" ? {} : { versionNegotiation: { mode: { pin: order.era } } }),
    },
  );
  client.setRequestHandler(parts.elicitation, async ({ params }) => {
    asked.push(params.message);
    const allow = answers.shift();
    return allow ? { action: "accept", content: { allow } } : { action: "decline" };
  });
  await within(client.connect(transport(parts)), "connecting");
  return client;
}

function call(client, { tool, arguments: given }, options = {}) {
  const all = { timeout: ANSWER_LIMIT_MS, ...options };
  const params = { name: tool, arguments: given };
  return order.package === "sdk" ? client.callTool(params, undefined, all) : client.callTool(params, all);
}

const told = ({ content, structuredContent, isError }) => ({ content, structuredContent, isError: isError ?? false });

async function callStep(client, { name, ...request }) {
  say(name, told(await call(client, request)));
}

async function readyStep(client, { name, of, ...request }) {
  for (;;) {
    const answer = await call(client, request);
    if (answer.structuredContent.of >= of) return say(name, told(answer));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function toolsStep(client, { name }) {
  const { tools } = await client.listTools();
  say(name, tools.map((tool) => [tool.name, tool.annotations?.readOnlyHint ?? null]).sort());
}

async function pagesStep(client, { name, limit, ...request }) {
  const { structuredContent: reply } = await call(client, request);
  const [{ id }] = reply.results;
  let text = "";
  for (let offset = 0; offset !== undefined; ) {
    const rest = { batch_id: reply.batch_id, id, offset, limit };
    const { structuredContent: page } = await call(client, { tool: "get_result", arguments: rest });
    text += page.data;
    offset = page.next_offset;
  }
  const [result] = reply.results;
  const cut = result.data.length < text.length;
  delete result.data;
  say(name, { cut, reply, text });
}

async function progressStep(client, { name, ...request }) {
  const seen = [];
  const answer = await call(client, request, { onprogress: ({ progress, total }) => seen.push([progress, total]) });
  say(name, { answer: told(answer), seen });
}

async function cancelStep(client, { name, after_ms, ...request }) {
  const stop = new AbortController();
  setTimeout(() => stop.abort(), after_ms);
  const ended = await call(client, request, { signal: stop.signal }).then(() => "answered", () => "cancelled");
  say(name, ended);
}

async function confirmStep(client, { name, allow, ...request }) {
  answers.push(allow);
  const answer = await call(client, request);
  say(name, { asked: asked.splice(0), answer: told(answer) });
}

async function promptsStep(client, { name, prompt, arguments: given }) {
  const listed = (await client.listPrompts()).prompts.map((each) => each.name).sort();
  const { messages } = await client.getPrompt({ name: prompt, arguments: given });
  say(name, { listed, messages });
}

async function resourcesStep(client, { name, uri }) {
  const listed = (await client.listResources()).resources.map((each) => each.uri).sort();
  const templates = (await client.listResourceTemplates()).resourceTemplates.map((each) => each.uriTemplate).sort();
  const { contents } = await client.readResource({ uri });
  say(name, { listed, templates, contents });
}

async function completeStep(client, { name, prompt, argument }) {
  const { completion } = await client.complete({ ref: { type: "ref/prompt", name: prompt }, argument });
  say(name, completion.values);
}

async function changeStep(client, { name, awaited }) {
  const notified = new Promise((resolve) => {
    changed = resolve;
  });
  appendFileSync(order.config, order.addition);
  for (;;) {
    await within(notified, "the change of the tools");
    const { tools } = await client.listTools();
    if (tools.some((tool) => tool.name === awaited)) return say(name, awaited);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const KINDS = {
  call: callStep,
  ready: readyStep,
  tools: toolsStep,
  pages: pagesStep,
  progress: progressStep,
  cancel: cancelStep,
  confirm: confirmStep,
  prompts: promptsStep,
  resources: resourcesStep,
  complete: completeStep,
  change: changeStep,
};

const client = await connect();
say("connected", { server: client.getServerVersion().name, instructions: client.getInstructions() });
for (const { kind, ...step } of order.steps) await within(KINDS[kind](client, step), step.name);
await within(client.close(), "closing");
process.exit(0);

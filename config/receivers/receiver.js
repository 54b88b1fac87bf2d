// A receiver of Edge Relay's webhooks to copy from: Node.js alone, no package, some fifty lines.
//
//     WEBHOOK_SECRET=whsec_... node receiver.js 9000 received.jsonl
//     edge-relay ledger received.jsonl
//
// It verifies the signature (Standard Webhooks 1.0.0) over the bytes as they came, takes each event once however
// often it is sent, follows `previous`, and answers 204 only when the event is on disk: what was answered is never
// sent again, and whatever else becomes of a request is sent again. Put your own work into `handle`, or let another
// process follow the log: after a power cut an event may be in the log that was not handled.

const { createHmac, timingSafeEqual } = require("node:crypto");
const { createServer } = require("node:http");
const fs = require("node:fs");

const KEY = Buffer.from(process.env.WEBHOOK_SECRET.replace(/^whsec_/, ""), "base64");
const TOLERANCE = 300; // seconds that the clocks may be apart
const SEEN = new Set(); // the ids and the numbers of all events in the log; for years of events take a database
const [port, path] = process.argv.slice(2);

// Whether it comes from whoever has the secret, and is no old request that somebody sends again.
function verified(headers, body) {
  const { "webhook-id": id = "", "webhook-timestamp": stamp = "", "webhook-signature": given = "" } = headers;
  if (!/^\d+$/.test(stamp) || Math.abs(Date.now() / 1000 - Number(stamp)) > TOLERANCE) return false;
  const digest = createHmac("sha256", KEY).update(`${id}.${stamp}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${digest}`);
  const same = (each) => each.length === expected.length && timingSafeEqual(each, expected);
  return given.split(" ").some((each) => same(Buffer.from(each)));
}

// The data of each event in a body: of one, or of a batch.
function events(body) {
  const whole = JSON.parse(body);
  return (whole.type === "batch" ? whole.data.events : [whole]).map((event) => event.data);
}

// It is in the log now.
function remember(data) {
  SEEN.add(data.id).add(`${data.epoch}/${data.seq}`);
}

// Write a body with anything new in it to the log; give what is new.
function keep(body) {
  const news = events(body).filter((data) => !SEEN.has(data.id));
  if (news.length === 0) return news;
  const line = Buffer.concat([Buffer.from(body.toString("latin1").replaceAll("\n", " "), "latin1"), Buffer.from("\n")]);
  const end = fs.fstatSync(log).size;
  if (fs.writeSync(log, line) !== line.length) {
    fs.ftruncateSync(log, end);
    throw new Error("the disk is full");
  }
  fs.fsyncSync(log);
  news.forEach(remember);
  return news;
}

// Your own work. Here: did the event come that was addressed to us before this one?
function handle(data) {
  if (data.previous && !SEEN.has(`${data.epoch}/${data.previous}`)) {
    console.log(`${data.seq}: ${data.previous} did not come before it`);
  }
}

// Know what is in the log, and cut off what a kill left half written.
const log = fs.openSync(path, "a+");
const kept = fs.readFileSync(path);
fs.ftruncateSync(log, kept.lastIndexOf("\n") + 1);
for (const line of kept.toString().split("\n").slice(0, -1)) events(line).forEach(remember);

// Answers 204 when an event is kept, 401 to strangers, 400 to what it does not understand, 500 when it cannot keep it.
createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts);
    let status = 401;
    if (verified(request.headers, body)) {
      try {
        keep(body).forEach(handle);
        status = 204;
      } catch (error) {
        status = error instanceof SyntaxError || error instanceof TypeError ? 400 : 500;
      }
    }
    response.writeHead(status).end();
  });
}).listen(Number(port));

// Verifies webhooks as receivers in JavaScript do: with the libraries of Standard Webhooks and Svix, and
// with Node's own crypto. One JSON line a case on stdin, one JSON line an answer: `genuine`, and why not.

const crypto = require("crypto");
const readline = require("readline");
const standardwebhooks = require("standardwebhooks");
const svix = require("svix");

// What stands before the 32 bytes of a public key in the form that Node reads (RFC 8410).
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

const verifiers = {
    standardwebhooks(key, headers, body) {
        new standardwebhooks.Webhook(key).verify(body, headers, { jsonParse: false });
    },

    svix(key, headers, body) {
        new svix.Webhook(key).verify(body, headers);
    },

    // Written from the specification: no library in JavaScript has `v1a`.
    ed25519(key, headers, body) {
        const raw = Buffer.from(key.replace(/^whpk_/, ""), "base64");
        const publicKey = crypto.createPublicKey({ key: Buffer.concat([SPKI, raw]), format: "der", type: "spki" });
        const head = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`;
        const content = Buffer.concat([Buffer.from(head), body]);
        const good = headers["webhook-signature"].split(" ").some((part) => {
            const [version, signature] = part.split(",");
            return version === "v1a" && crypto.verify(null, content, publicKey, Buffer.from(signature, "base64"));
        });
        if (!good) throw new Error("no matching signature");
    },

    // As GitHub's documentation has it for Express.
    github(key, headers, body) {
        const digest = "sha256=" + crypto.createHmac("sha256", key).update(body).digest("hex");
        const given = Buffer.from(headers["x-hub-signature-256"]);
        if (!crypto.timingSafeEqual(Buffer.from(digest), given)) throw new Error("another digest");
    },
};

async function main() {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const { by, key, headers, body } = JSON.parse(line);
        let why = null;
        try {
            verifiers[by](key, headers, Buffer.from(body, "base64"));
        } catch (error) {
            why = String(error);
        }
        process.stdout.write(JSON.stringify({ genuine: why === null, why }) + "\n");
    }
}

main();

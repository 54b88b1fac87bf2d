// An OPC UA server that shares no code with asyncua (node-opcua), for the tests of our source.
//
// Started as `node opcua_server.js FOLDER`, where FOLDER keeps its certificate and whom it trusts. It
// is led by lines of JSON on stdin, `{"do": "set", ...}`, and answers each with one line on stdout:
// `{"ok": ...}` or `{"error": "..."}`. It ends with its stdin, so it never outlives who started it.
//
// Rules for whoever changes this: one server at a time, and whatever a test changes in it is a
// command; each command is one entry of `commands`. What the server itself says goes to stderr.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
for (const word of ["log", "info", "warn", "debug"]) console[word] = console.error; // stdout is for answers

const { OPCUAServer } = require("node-opcua-server");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { nodesets } = require("node-opcua-nodesets");
const { DataType, VariantArrayType } = require("node-opcua-variant");
const { StatusCodes } = require("node-opcua-status-code");
const { OpaqueStructure } = require("node-opcua-extension-object");
const { coerceInt64, coerceUInt64 } = require("node-opcua-basic-types");
const { standardUnits } = require("node-opcua-data-access");
const { WellKnownRoles } = require("node-opcua-address-space");
const { makePermissionFlag } = require("node-opcua-data-model");

const APPLICATION = "urn:plant:node:server";
const BOILER = "urn:plant:boiler";
const PRESS = "urn:plant:press";
const folder = process.argv[2];

let server = null;
let variables = new Map(); // of the boiler, by name
let requests = {}; // by name of the service: how often
let taken = []; // every value that a client has written to what was added, as [name, type, value]

// What JSON cannot say: 64-bit numbers come as text, times as ISO 8601.
const FROM_JSON = {
    Int64: (value) => coerceInt64(String(value)),
    UInt64: (value) => coerceUInt64(String(value)),
    DateTime: (value) => new Date(value),
    LocalizedText: (value) => ({ text: value }),
};

function variant(type, value) {
    const from = FROM_JSON[type] ?? ((each) => each);
    if (!Array.isArray(value)) return { dataType: DataType[type], arrayType: VariantArrayType.Scalar, value: from(value) };
    const flat = value.flat().map(from);
    if (!Array.isArray(value[0])) return { dataType: DataType[type], arrayType: VariantArrayType.Array, value: flat };
    const dimensions = [value.length, value[0].length];
    return { dataType: DataType[type], arrayType: VariantArrayType.Matrix, dimensions, value: flat };
}

function addVariable(namespace, parent, name, type, value, more = {}) {
    const made = variant(type, value);
    const node = namespace.addVariable({
        componentOf: parent,
        browseName: name,
        nodeId: `s=${name}`,
        dataType: type,
        valueRank: made.dimensions ? 2 : made.arrayType === VariantArrayType.Array ? 1 : -1,
        arrayDimensions: made.dimensions,
        value: made,
        ...more,
    });
    variables.set(name, node);
    return node;
}

// Who may write: everyone, nobody, or whoever has logged in.
const RIGHTS = {
    everyone: {},
    nobody: { accessLevel: "CurrentRead" },
    user: {
        rolePermissions: [
            { roleId: WellKnownRoles.Anonymous, permissions: makePermissionFlag("Browse | Read") },
            { roleId: WellKnownRoles.AuthenticatedUser, permissions: makePermissionFlag("Browse | Read | Write") },
        ],
    },
};

// What is written is noted, and taken; the answer comes `after` milliseconds, or never (null), or is a refusal.
function hearWrites(node, { after = 0, answer = "Good" }) {
    let kept = node.readValue();
    const timestamped_set = (data, done) => {
        taken.push([node.browseName.name, DataType[data.value.dataType], String(data.value.value)]);
        const end = () => {
            if (answer === "Good") kept = data.clone();
            if (after !== null) done(null, StatusCodes[answer]);
        };
        setTimeout(end, after ?? 0);
    };
    node.bindVariable({ timestamped_get: () => kept, timestamped_set }, true);
}

// All types that the source reads, and some that it does not; a drum below the boiler, for browse paths.
function fill(addressSpace, order) {
    for (const uri of order) addressSpace.registerNamespace(uri);
    variables = new Map();
    const press = addressSpace.getNamespace(PRESS);
    const other = press.addObject({ organizedBy: addressSpace.rootFolder.objects, browseName: "Press", nodeId: "s=Press" });
    addVariable(press, other, "Double", "Double", -1); // the same name, elsewhere

    const own = addressSpace.getNamespace(BOILER);
    const boiler = own.addObject({ organizedBy: addressSpace.rootFolder.objects, browseName: "Boiler", nodeId: "s=Boiler" });
    const numbers = { Double: 1.5, Float: 2.5, Int64: "-9007199254740993", UInt64: "18446744073709551615" };
    const whole = { SByte: -8, Byte: 8, Int16: -16, UInt16: 16, Int32: -32, UInt32: 4294967295 };
    const others = { Boolean: true, String: "grün", DateTime: "2026-11-21T07:30:00Z", LocalizedText: "Störung" };
    const scalars = { ...numbers, ...whole, ...others };
    for (const [type, value] of Object.entries(scalars)) addVariable(own, boiler, type, type, value);
    addVariable(own, boiler, "Array", "Double", [1.5, 2.5, 3.5]);
    addVariable(own, boiler, "Matrix", "Int16", [[1, 2, 3], [4, 5, 6]]);

    const state = own.addEnumerationType({ browseName: "BoilerState", enumeration: ["Cold", "Heating", "Hot"] });
    addVariable(own, boiler, "Enumeration", "Int32", 2, { dataType: state });
    const range = addressSpace.constructExtensionObject(addressSpace.findDataType("Range"), { low: 0, high: 16 });
    addVariable(own, boiler, "Structure", "ExtensionObject", range, { dataType: "Range" });
    const vendor = new OpaqueStructure(`ns=${own.index};i=9001`, Buffer.from([7, 0, 0, 0])); // no client knows its type
    addVariable(own, boiler, "UnknownStructure", "ExtensionObject", vendor, { dataType: "Structure" });

    const drum = own.addObject({ componentOf: boiler, browseName: "Drum", nodeId: "s=Drum" });
    own.addAnalogDataItem({
        componentOf: drum,
        browseName: "Pressure",
        nodeId: "s=Pressure",
        dataType: "Double",
        engineeringUnitsRange: { low: 0, high: 16 },
        engineeringUnits: standardUnits.bar,
        value: variant("Double", 7.25),
    });
}

function count(name) {
    requests[name] = (requests[name] ?? 0) + 1;
}

function manager(name) {
    return new OPCUACertificateManager({ rootFolder: path.join(folder, name), automaticallyAcceptUnknownCertificate: false });
}

function subscriptions() {
    return Object.values(server.engine._sessions).flatMap((session) => session.publishEngine.subscriptions);
}

const commands = {
    // The keys of a channel live for two seconds, so that every longer session renews them.
    async start({ port = 0, order = [BOILER, PRESS] }) {
        requests = {};
        taken = [];
        server = new OPCUAServer({
            port,
            host: "127.0.0.1",
            hostname: "127.0.0.1",
            nodeset_filename: [nodesets.standard],
            serverInfo: { applicationUri: APPLICATION, productUri: APPLICATION, applicationName: { text: "Plant" } },
            serverCertificateManager: manager("pki"),
            userCertificateManager: manager("users"),
            userManager: {
                isValidUser: (user, password) => user === "relay" && password === "right",
                getUserRoles: () => [], // and AuthenticatedUser, which everyone is who has logged in
            },
            serverCapabilities: { maxSessions: 100, maxSubscriptions: 100 },
            defaultSecureTokenLifetime: 2000,
        });
        server.on("request", (request) => count(request.schema.name.replace(/Request$/, "")));
        server.on("newChannel", (channel) => {
            channel.beforeHandleOpenSecureChannelRequest = async () => count("OpenSecureChannel");
        });
        await server.initialize();
        fill(server.engine.addressSpace, order);
        await server.start();
        return { port: server.endpoints[0].port, certificate: server.certificateFile };
    },

    async stop() {
        await server.shutdown(0);
    },

    set({ name, type, value, status = "Good", time }) {
        variables.get(name).setValueFromSource(variant(type, value), StatusCodes[status], time ? new Date(time) : new Date());
    },

    // `kind`: its data type, where that is not the type of its value.
    add({ name, type, value, kind = type, writable = "everyone", ...writes }) {
        const addressSpace = server.engine.addressSpace;
        const own = addressSpace.getNamespace(BOILER);
        const boiler = addressSpace.findNode(`ns=${own.index};s=Boiler`);
        const dataType = own.findDataType(kind) ?? kind;
        const node = addVariable(own, boiler, name, type, value, { dataType, ...RIGHTS[writable] });
        if (Object.keys(writes).length > 0) hearWrites(node, writes);
    },

    remove({ name }) {
        server.engine.addressSpace.deleteNode(variables.get(name));
        variables.delete(name);
    },

    // How many sessions, and what one request may ask for: `maxNodesPerRead`, `maxMonitoredItemsPerCall`...
    limit({ maxSessions = 100, ...operations }) {
        server.engine.serverCapabilities.maxSessions = maxSessions;
        Object.assign(server.engine.serverCapabilities.operationLimits, operations);
    },

    // In force at once; without this every client and every user is a stranger, and with `now: false` again.
    async trust({ who, certificate, now = true }) {
        const manager = who === "user" ? server.userCertificateManager : server.serverCertificateManager;
        const known = fs.readFileSync(certificate);
        await (now ? manager.trustCertificate(known) : manager.rejectCertificate(known));
    },

    // Lost without a word of the subscription's own, as when a program is loaded.
    drop() {
        for (const subscription of subscriptions()) subscription.terminate();
    },

    report() {
        const items = subscriptions().reduce((sum, each) => sum + each.monitoredItemCount, 0);
        const { currentSessionCount: sessions, currentSubscriptionCount, currentChannelCount: channels } = server;
        return { sessions, subscriptions: currentSubscriptionCount, items, channels, requests, taken };
    },
};

async function lead() {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const { do: name, ...options } = JSON.parse(line);
        try {
            const result = await commands[name](options);
            process.stdout.write(JSON.stringify({ ok: result ?? null }) + "\n");
        } catch (error) {
            process.stdout.write(JSON.stringify({ error: String(error.stack) }) + "\n");
        }
    }
    process.exit(0);
}

lead();

// Validates definitions with AWS's language service, and runs them in an independent interpreter.
//
//   node engines.cjs FOLDER < {definitions, runs: [{input, context, random, answers}]}
//
// FOLDER holds the installed packages. Answers are, by state, a list of {result} or {error, cause}; `random` is what the
// jitter draws, of 0 to 1. Prints for each definition {diagnostics, runs: [{status, error, cause, path, pauses, calls}]};
// tests/asl/check.py decides what is right. Pauses are recorded, in seconds, and not waited for.
const { createRequire } = require("node:module");
const path = require("node:path");
const load = createRequire(path.join(path.resolve(process.argv[2]), "package.json"));

// The interpreter is built for Node.js 22, and uses this of it.
Promise.withResolvers ??= function () {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

async function diagnose(definition) {
  const service = load("amazon-states-language-service");
  const text = JSON.stringify(definition, null, 2);
  const document = service.TextDocument.create("file://migrate.asl.json", "asl", 1, text);
  const language = service.getLanguageService({});
  const found = await language.doValidation(document, language.parseJSONDocument(document));
  return found.map((each) => `AWS's language service: line ${each.range.start.line + 1}: ${each.message}`);
}

const setTimer = globalThis.setTimeout;

// The definition's timeouts remain; every other timer is a pause.
function recordPauses(definition, pauses) {
  const states = Object.values(definition.States);
  const timeouts = new Set([definition, ...states].map((each) => each.TimeoutSeconds * 1000));
  globalThis.setTimeout = (done, milliseconds, ...given) => {
    if (timeouts.has(milliseconds)) return setTimer(done, milliseconds, ...given);
    pauses.push(milliseconds / 1000);
    return setTimer(done, 0, ...given);
  };
}

function lambda(state, answers, calls) {
  return ({ FunctionName, Payload }) => {
    calls.push({ state, function: FunctionName, payload: Payload });
    const answer = answers.shift();
    if (!answer) throw Object.assign(new Error(`${state} was called too often`), { name: "NoAnswerLeft" });
    if (!answer.error) return { Payload: answer.result };
    throw Object.assign(new Error(answer.cause), { name: answer.error });
  };
}

async function run(machine, definition, { input, context, random, answers }) {
  const [pauses, calls, visited] = [[], [], []];
  recordPauses(definition, pauses);
  Math.random = () => random;
  const tasks = Object.keys(definition.States).filter((name) => definition.States[name].Type === "Task");
  const functions = tasks.map((name) => [name, lambda(name, [...(answers[name] ?? [])], calls)]);
  const overrides = { taskResourceLocalHandlers: Object.fromEntries(functions) };
  const execution = machine.run(input, { context, overrides });
  const followed = (async () => {
    for await (const event of execution.eventLogs) {
      if (event.type.endsWith("StateEntered")) visited.push(event.state.name);
    }
  })();
  const ended = await execution.result.then(
    () => ({ status: "SUCCEEDED", error: "", cause: "" }),
    (error) => ({ status: "FAILED", error: error.cause?.name ?? error.name, cause: error.message }),
  );
  await followed;
  return { ...ended, path: visited, pauses, calls };
}

async function main() {
  let text = "";
  for await (const part of process.stdin) text += part;
  const { definitions, runs } = JSON.parse(text);
  const { StateMachine } = load("aws-local-stepfunctions");
  const found = [];
  for (const definition of definitions) {
    const diagnostics = await diagnose(definition);
    const ended = [];
    try {
      const machine = new StateMachine(definition);
      // One after another: they share the timer and the random numbers.
      for (const each of runs) ended.push(await run(machine, definition, each));
    } catch (error) {
      diagnostics.push(error.message);
    }
    found.push({ diagnostics, runs: ended });
  }
  process.stdout.write(JSON.stringify(found));
}

main();

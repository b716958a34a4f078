// The graph of a definition, coloured by what an execution did. The places come from the server and never move.
import { html, markOf, STATUS_WORDS, visible } from "/static/base.js";

const MARK_PATHS = { ok: "M-3.2 .2-.9 2.5 3.4-2.5", fail: "M-2.5-2.5 2.5 2.5M2.5-2.5-2.5 2.5", stop: "M-2.2-2.2h4.4v4.4h-4.4Z", warn: "M0-3.2V.4M0 2.7v.1", wait: "M0-2.8V.2l1.8 1.2", run: "" };

const describe = (state, run) => {
  const parts = [visible(state.name), state.type];
  parts.push(run ? STATUS_WORDS[run.status] || run.status : "not reached");
  if (run?.visits > 1) parts.push(`${run.visits} visits`);
  if (run?.retries) parts.push(`${run.retries} retries`);
  if (run?.error) parts.push(visible(run.error));
  return parts.join(", ");
};

export function Picture({ picture, states, taken, selected, onSelect }) {
  const times = new Map(taken.map(([source, target, count]) => [`${source}\n${target}`, count]));
  const passed = (edge) => times.get(`${edge.source}\n${edge.target}`) || (edge.kind === "start" && states[edge.target] ? 1 : 0)
    || (edge.kind === "end" && states[edge.source]?.status === "SUCCEEDED" ? 1 : 0);
  const boxes = picture.states.filter((state) => state.inner);
  const others = picture.states.filter((state) => !state.inner);
  const edges = [...picture.edges].sort((one, other) => (passed(one) ? 1 : 0) - (passed(other) ? 1 : 0));
  const draw = (state) => html`<${State} key=${state.name} state=${state} run=${states[state.name]} icons=${picture.icons} selected=${selected === state.name} onSelect=${onSelect} />`;
  return html`<svg class="graph" viewBox=${`0 0 ${picture.width} ${picture.height}`} width=${picture.width} height=${picture.height} role="group" aria-label="Graph of the states; the table of steps below shows the same">
    <defs>${["idle", "taken", "back"].map((kind) => html`<marker key=${kind} id=${`arrow-${kind}`} class=${`arrow ${kind}`} markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto" markerUnits="userSpaceOnUse"><path d="M0 0 8 4 0 8Z" /></marker>`)}</defs>
    ${boxes.map(draw)}
    <g class="edges">${edges.map((edge) => {
      const count = passed(edge);
      const kind = count ? (edge.turned ? "back" : "taken") : "idle";
      return html`<path key=${`${edge.source}\n${edge.target}`} d=${edge.path} class=${`edge ${kind} k-${edge.kind}`} marker-end=${`url(#arrow-${kind})`}>
        <title>${edge.source ? `${visible(edge.source)} → ${edge.kind === "end" ? "end" : visible(edge.target)}${count ? `, taken ${count === 1 ? "once" : `${count} times`}` : ""}` : "Start"}</title></path>`;
    })}</g>
    ${others.map(draw)}
  </svg>`;
}

function State({ state, run, icons, selected, onSelect }) {
  if (state.type === "Start" || state.type === "End") {
    const r = state.width / 2;
    return html`<circle class=${`terminal ${state.type}`} cx=${state.x + r} cy=${state.y + r} r=${r - 2} />`;
  }
  const status = run ? run.status : "none";
  const middle = state.inner ? 17 : state.height / 2;
  const press = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    onSelect(state.name);
  };
  const mark = run ? markOf(status) : null;
  const count = run && (run.visits > 1 || run.retries > 0) ? `${run.visits > 1 ? `${run.visits}×` : ""}${run.retries ? ` ${run.retries}↻` : ""}`.trim() : "";
  return html`<g class=${`node s-${status} t-${state.type} ${selected ? "selected" : ""} ${state.inner ? "box" : ""}`} transform=${`translate(${state.x} ${state.y})`}
    role="button" tabindex="0" aria-pressed=${selected} aria-label=${describe(state, run)} onClick=${() => onSelect(state.name)} onKeyDown=${press}>
    <title>${state.comment || visible(state.name)}</title>
    <rect class="frame" width=${state.width} height=${state.height} rx="9" />
    <path class="sign" d=${icons[state.type] || icons.Task} transform=${`translate(12 ${middle - 8})`} />
    <text x="34" y=${middle} dy=".35em">${visible(state.label)}</text>
    ${mark ? html`<g class="mark" transform=${`translate(${state.width - 3} 2)`}><circle r="8" />${mark === "run" ? html`<circle class="spin" r="4" />` : html`<path d=${MARK_PATHS[mark]} />`}</g>` : null}
  </g>
  ${count ? html`<g aria-hidden="true" class=${`visits-badge ${run.retries ? "retried" : ""}`} transform=${`translate(${state.x + state.width - 8} ${state.y + state.height})`}><rect x=${-(count.length * 6.5 + 10)} y="-8" width=${count.length * 6.5 + 10} height="16" rx="8" /><text x=${-(count.length * 3.25 + 5)} dy=".36em" text-anchor="middle">${count}</text></g>` : null}`;
}

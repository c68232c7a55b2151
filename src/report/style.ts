/**
 * The style that all pages share. It is light or dark as the system is, unless `data-theme` on the root says
 * otherwise. The colours of data are from the palette of Okabe and Ito (2008).
 */
export const baseStyle = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#ffffff, #141518);
  --raised: light-dark(#f6f7f8, #1c1e22);
  --line: light-dark(#e2e4e8, #30333a);
  --text: light-dark(#1b1d21, #e6e7ea);
  --quiet: light-dark(#5c616b, #9ea3ad);
  --accent: light-dark(#0072b2, #56b4e9);
  --alert: light-dark(#a84300, #ff9d5c);
  --prediction: #e69f00;
  --reference: #56b4e9;
  --other: #cc79a7;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
:root[data-theme="light"] { color-scheme: light; }
:root[data-theme="dark"] { color-scheme: dark; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
.for-screen-readers { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
body { margin: 0; background: var(--ground); color: var(--text); }
button, select, input, textarea { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 6px; padding: 5px 10px; }
button { cursor: pointer; }
button:hover { border-color: var(--accent); }
button[aria-pressed="true"] { background: var(--accent); border-color: var(--accent); color: var(--ground); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;

/** The style of a report's and a training's page. */
export const style = `${baseStyle}
header, main, footer { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
.bar { display: flex; align-items: center; gap: 24px; padding: 14px 0; border-bottom: 1px solid var(--line); }
.brand { margin: 0; font-weight: 600; letter-spacing: .01em; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-left: auto; }
nav a { color: var(--quiet); text-decoration: none; }
nav a:hover { color: var(--accent); }
h1 { font-size: 30px; line-height: 1.2; font-weight: 650; letter-spacing: -.01em; margin: 32px 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 19px; font-weight: 620; margin: 0 0 14px; }
h3 { font-size: 15px; font-weight: 600; margin: 0; }
section { padding: 30px 0 8px; scroll-margin-top: 8px; }
.meta, .note, footer { color: var(--quiet); }
.meta { margin: 0; }
.note { font-size: 13.5px; margin: 10px 0 0; max-width: 80ch; }
.lead { margin: 0 0 12px; }
.note ul { margin: 0; padding-left: 18px; }
.note[data-tall] { max-height: 13em; overflow-y: auto; border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px; }
footer { padding-top: 24px; padding-bottom: 40px; font-size: 13.5px; }
button.link { border: 0; padding: 0; background: none; color: var(--accent); text-align: left; }
button.link:hover { text-decoration: underline; }
#theme { padding: 4px 12px; font-size: 13.5px; }
.figures { display: flex; flex-wrap: wrap; gap: 10px 40px; margin: 0 0 22px; }
.figure { display: flex; flex-direction: column; }
.figure dd { margin: 0; font-size: 26px; line-height: 1.25; font-weight: 620; letter-spacing: -.01em; font-variant-numeric: tabular-nums; }
.figure dt { color: var(--quiet); font-size: 13.5px; }
.figure.alert a { color: var(--alert); text-decoration-thickness: 1px; text-underline-offset: 4px; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
.scroll[data-tall] { overflow-y: auto; max-height: 78vh; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 12px; text-align: left; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
thead th { font-weight: 500; font-size: 13.5px; color: var(--quiet); background: var(--raised); white-space: nowrap; }
caption { padding: 7px 12px; text-align: left; font-size: 13.5px; color: var(--quiet); }
tbody th { font-weight: 500; }
.numbers th, .numbers td { text-align: right; white-space: nowrap; }
.numbers th:first-child, .numbers td:first-child, .summary th:nth-child(2), .summary td:nth-child(2), .summary td:last-child, .summary thead th:last-child { text-align: left; }
.texts th { vertical-align: top; white-space: nowrap; }
.texts td:last-child { overflow-wrap: anywhere; }
.texts td:not(:last-child) { white-space: nowrap; }
.texts.wrapped td { white-space: normal; overflow-wrap: anywhere; }
.compared td:last-child, .compared th:last-child { text-align: left; }
.tabs { display: flex; flex-wrap: wrap; gap: 6px; margin-bottom: 12px; }
.tools { display: flex; flex-wrap: wrap; align-items: center; gap: 10px 14px; margin-bottom: 12px; }
.tools label { display: flex; align-items: center; gap: 8px; color: var(--quiet); }
.tools label > * { color: var(--text); }
.tools .grow { flex: 1 1 300px; }
.tools input { flex: 1; min-width: 120px; }
#unprinted { display: none; }
#count { color: var(--quiet); margin-left: auto; }
#count.fault { color: var(--alert); }
#table thead th { position: sticky; top: 0; z-index: 1; padding: 0; border-bottom: 1px solid var(--line); }
#table thead button { width: 100%; border: 0; border-radius: 0; background: none; padding: 7px 12px; text-align: inherit; white-space: nowrap; }
#table thead button:hover { color: var(--text); }
#table thead button:focus-visible { outline-offset: -2px; }
#table thead th[aria-sort] button { color: var(--text); font-weight: 600; }
#table thead th[aria-sort="ascending"] button::after { content: " \\2191"; }
#table thead th[aria-sort="descending"] button::after { content: " \\2193"; }
#table tbody tr { cursor: pointer; }
#table tbody tr:hover > * { background: var(--raised); }
#table tbody th, #table tbody td { padding-top: 4px; padding-bottom: 4px; }
.case-name { display: flex; align-items: center; gap: 14px; min-height: 30px; }
.stack { position: relative; display: block; background: #000; overflow: hidden; border-radius: 4px; }
.stack img { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.case-name .stack { height: 46px; flex: none; }
.plots { display: grid; gap: 16px; }
.scroll + .plots { margin-top: 16px; }
.card { margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: 16px 18px 10px; overflow-x: auto; }
.card figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: center; gap: 8px 16px; margin-bottom: 10px; min-height: 34px; }
.card label { color: var(--quiet); }
.card label select { color: var(--text); margin-left: 6px; }
.card .note { margin: 4px 0 8px; }
.pair { display: flex; flex-wrap: wrap; gap: 8px 32px; justify-content: space-evenly; }
.plot { display: block; margin: 0 auto; max-width: 100%; height: auto; font-size: 12.5px; fill: var(--text); }
.plot { min-width: 300px; }
.plot.wide { min-width: 600px; }
.plot .title { fill: var(--quiet); font-weight: 600; }
.plot .tick, .plot .axis { fill: var(--quiet); font-variant-numeric: tabular-nums; }
.plot .grid { stroke: var(--line); }
.plot .zero { stroke: var(--quiet); }
.plot .equal, .plot .limit { stroke: var(--quiet); stroke-dasharray: 5 4; }
.plot .bias { stroke: var(--text); stroke-width: 1.5; }
.plot .whisker { stroke: var(--quiet); }
.plot .box { fill: var(--raised); stroke: var(--quiet); }
.plot .median { stroke: var(--text); stroke-width: 2.25; }
.plot .dot { fill: var(--accent); fill-opacity: .7; cursor: pointer; }
.plot .dot.outlier { fill: var(--alert); fill-opacity: .9; }
.plot .dot:hover { fill-opacity: 1; stroke: var(--text); stroke-width: 1.5; }
.plot .curve { color: var(--curve); }
.plot .curve .line { fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round; }
.plot .curve circle { fill: currentColor; }
.plot .dashed .line { stroke-dasharray: 6 4; }
.plot .curve-0 { --curve: light-dark(#0072b2, #56b4e9); }
.plot .curve-1 { --curve: light-dark(#d55e00, #e69f00); }
.plot .curve-2 { --curve: #009e73; }
.plot .curve-3 { --curve: #cc79a7; }
.plot .curve-4 { --curve: light-dark(#e69f00, #f0e442); }
.plot .curve-5 { --curve: light-dark(#56b4e9, #d55e00); }
.plot .area { fill: var(--accent); fill-opacity: .45; stroke: var(--accent); stroke-width: 1; }
#tip { position: fixed; z-index: 3; pointer-events: none; background: var(--text); color: var(--ground); border-radius: 5px; padding: 3px 9px; font-size: 13px; max-width: 320px; overflow-wrap: anywhere; }
dialog { width: min(1240px, 96vw); max-width: none; max-height: 96vh; border: 1px solid var(--line); border-radius: 12px; padding: 0; background: var(--ground); color: var(--text); }
dialog::backdrop { background: rgb(0 0 0 / .55); }
.case-bar { position: sticky; top: 0; z-index: 2; background: var(--ground); display: flex; align-items: center; gap: 8px; padding: 12px 20px; border-bottom: 1px solid var(--line); }
.case-bar h2 { margin: 0 auto 0 0; overflow-wrap: anywhere; }
.case-bar a { color: var(--ground); background: var(--accent); border-radius: 6px; padding: 6px 12px; text-decoration: none; }
.case-body { padding: 16px 20px 22px; }
.case-body > .note { margin-bottom: 12px; }
.label-picker { display: flex; flex-wrap: wrap; gap: 6px; margin-bottom: 12px; max-height: 9.5em; overflow-y: auto; }
.label-picker button { display: flex; align-items: center; gap: 7px; padding: 3px 10px; font-size: 13.5px; overflow-wrap: anywhere; text-align: left; }
.label-picker i { flex: none; width: 12px; height: 12px; border-radius: 3px; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 20px; margin-bottom: 12px; align-items: center; color: var(--quiet); font-size: 13.5px; }
.legend label { display: flex; align-items: center; gap: 7px; color: var(--text); font-size: 15px; }
.legend i { width: 18px; height: 4px; border-radius: 2px; }
.legend .prediction, .legend .a { background: var(--prediction); }
.legend .b { background: var(--other); }
.legend .reference { background: var(--reference); }
.legend.labels .prediction { background: currentColor; height: 2px; }
.legend.labels .reference { background: currentColor; height: 6px; opacity: .45; }
.legend span { margin-left: auto; }
.pictures { display: flex; flex-wrap: wrap; gap: 10px; align-items: flex-start; margin: 0 auto 20px; }
.plane { flex-basis: 0; min-width: 0; color: var(--quiet); font-size: 13.5px; }
.plane button { padding: 4px 10px; font-size: 13.5px; color: var(--text); }
.plane > button { position: relative; display: block; width: 100%; padding: 0; border: 0; background: none; cursor: zoom-in; }
.plane.large { flex: 1 0 100% !important; order: -1; }
.plane.large > button { cursor: zoom-out; }
.plane.large .stack { max-height: 82vh; margin: 0 auto 3px; }
.plane .stack { width: 100%; margin-bottom: 3px; }
.slider { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 10px; margin-top: 4px; }
.slider input { flex: 1 1 120px; min-width: 0; padding: 0; accent-color: var(--accent); }
.slider .position { font-variant-numeric: tabular-nums; }
.side { position: absolute; z-index: 1; color: #fff; font-size: 12.5px; line-height: 1; text-shadow: 0 0 3px #000, 0 0 3px #000; }
.side.left { left: 7px; top: 50%; translate: 0 -50%; }
.side.right { right: 7px; top: 50%; translate: 0 -50%; }
.side.top { top: 7px; left: 50%; translate: -50% 0; }
.side.bottom { bottom: 7px; left: 50%; translate: -50% 0; }
.movers { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 14px; }
.mover { margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: 10px; overflow-wrap: anywhere; }
.mover .stack { margin-bottom: 8px; }
.mover p { margin: 2px 0 0; font-size: 13.5px; color: var(--quiet); }
.case-note { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: flex-start; margin: 0 0 16px; }
.case-note label { display: flex; align-items: center; gap: 7px; padding-top: 6px; }
.case-note textarea { flex: 1 1 260px; min-width: 0; resize: vertical; }
.files code { font: 13px/1.5 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.files td:last-child { width: 1px; white-space: nowrap; overflow-wrap: normal; }
.files td:nth-child(2) { white-space: normal; overflow-wrap: anywhere; min-width: 180px; }
.mark { color: var(--alert); }
td.outlier { color: var(--alert); font-weight: 600; }
.numbers .group { text-align: left; }
.notes-line { margin: 12px 0 0; color: var(--quiet); font-size: 13.5px; }
.notes-line output { flex: 0 1 auto; max-width: 80ch; }
.notes-line.alert output { color: var(--alert); }
.exports { display: flex; gap: 6px; margin-left: auto; }
.exports button { padding: 2px 9px; font-size: 13px; color: var(--quiet); }
details { margin-top: 12px; }
summary { cursor: pointer; color: var(--accent); }
pre { background: var(--raised); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; overflow: auto; max-height: 70vh; font: 13px/1.5 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
@media (max-width: 640px) {
  header, main, footer { padding-left: 16px; padding-right: 16px; }
  .bar, .case-bar { flex-wrap: wrap; }
  nav { order: 3; width: 100%; margin-left: 0; }
  #theme { margin-left: auto; }
  .case-bar h2 { width: 100%; }
  .case-bar { padding: 10px 14px; }
  .case-body { padding: 14px; }
  .legend span { margin-left: 0; }
  .plane { flex-basis: 100%; }
}
@media print {
  :root { color-scheme: light !important; }
  [data-tall] { max-height: none !important; }
  nav, .tabs, .tools, .exports, #theme, .unprinted { display: none; }
  #unprinted { display: block; }
  .legend i, .label-picker i, button[aria-pressed="true"] { print-color-adjust: exact; }
  .scroll, .card { overflow: visible; }
  .card, tr { break-inside: avoid; }
  h2, h3, figcaption { break-after: avoid; }
  .plot, .plot.wide { min-width: 0; }
  th, td, thead th { padding: 4px; font-size: 11px; }
  th button, td button { border: 0; padding: 0; font-size: 11px; min-width: 0; overflow-wrap: anywhere; text-align: inherit; }
  #table thead th { padding: 4px; white-space: normal; }
  .case-name { gap: 4px; min-width: 90px; }
  .case-name { min-height: 0; }
  .case-name .stack { height: 28px; }
  #table thead button { display: contents; white-space: normal; }
  #table tbody th, #table tbody td { padding: 2px 4px; }
  .numbers th, .numbers td, .texts th, .texts td, thead th { white-space: normal; overflow-wrap: anywhere; }
  .numbers td:not(:last-child), #table td, .files th { overflow-wrap: normal; }
  body:has(dialog[open]) > :not(dialog) { display: none; }
  dialog:modal { position: absolute; inset: 0 0 auto; width: auto; max-height: none; overflow: visible; border: 0; }
  .case-bar { position: static; }
  .case-bar :is(button, a), .slider > :not(.position), .label-picker [aria-pressed="false"], .files button { display: none; }
}
`;

// Plots: numbers come in the page, uPlot draws them; without it the drawing of the server stays.
const plots = new Map();
const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const tones = ["--accent-line", "--bad-line", "--info-line"];
const names = { rates: ["processed", "failed", "enqueued"], runs: ["runs", "failures"] };

const clock = (at, step) => new Date(at * 1000).toLocaleString([], step >= 86400 ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", second: step < 60 ? "2-digit" : undefined, hour12: false });

// Deploys, as lines through the plot.
function marks(list) {
  return {
    hooks: {
      draw: (chart) => {
        const { ctx, bbox } = chart;
        ctx.save();
        ctx.strokeStyle = colour("--warn");
        ctx.lineWidth = devicePixelRatio;
        ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
        for (const [at] of list) {
          const x = Math.round(chart.valToPos(at, "x", true));
          if (x < bbox.left || x > bbox.left + bbox.width) continue;
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
        }
        ctx.restore();
      },
    },
  };
}

function draw(figure) {
  const source = document.getElementById(figure.dataset.from);
  if (typeof uPlot === "undefined" || !source) return;
  const data = JSON.parse(source.dataset.series || "[[]]");
  if (data[0].length < 2) return;
  const known = plots.get(figure);
  if (known) {
    known.chart.setData(data);
    return;
  }
  const canvas = figure.querySelector(".canvas"), kind = figure.dataset.plot;
  const axis = {
    stroke: colour("--soft"), font: `11px ${getComputedStyle(body).fontFamily}`,
    grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false },
  };
  const series = names[kind].map((label, at) => ({
    label, stroke: colour(tones[at]), width: 1.5, points: { show: false },
    fill: at === 0 ? `${colour(tones[at])}1f` : undefined,
    value: (_, value) => (value == null ? "–" : compact.format(value)),
  }));
  const chart = new uPlot({
    width: canvas.clientWidth, height: Math.max(240, figure.clientHeight - 12),
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    scales: { y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] } },
    axes: [{ ...axis, grid: { show: false }, size: 28, space: 70, values: (_, values, __, ___, step) => values.map((at) => clock(at, step)) }, { ...axis, size: 44, values: (_, values) => values.map((value) => compact.format(value)) }],
    series: [{ value: (_, at) => (at == null ? "–" : new Date(at * 1000).toLocaleTimeString()) }, ...series],
    plugins: [marks(JSON.parse(figure.dataset.marks || "[]"))],
  }, data, canvas);
  const sizes = new ResizeObserver(() => chart.setSize({ width: canvas.clientWidth, height: chart.height }));
  sizes.observe(canvas);
  plots.set(figure, { chart, sizes });
  figure.classList.add("drawn");
}

const drawAll = () => $$("[data-plot]").forEach(draw);
function redraw() {
  for (const [figure, { chart, sizes }] of plots) {
    sizes.disconnect();
    chart.destroy();
    plots.delete(figure);
  }
  drawAll();
}
drawAll();
document.addEventListener("news", (event) => {
  const figure = event.target.closest("[data-plot]");
  if (figure) draw(figure);
});
addEventListener("themechange", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

// What the parts of the centre's page share: its data, its map, small builders, dates by Beijing time.
const centre = (function () {
  "use strict";
  const parts = [];
  const drawers = {};  // theme → {show, hide, legend}
  const BEIJING_MS = 8 * 3600 * 1000;
  const self = {
    page: null, map: null, parts: parts, themes: drawers, figures: null,

    // A part: a function that is called once, with the map, when the page starts.
    part: function (begin) { parts.push(begin); },

    start: function (map) {
      self.page = wangge.page();
      self.map = map;
      parts.forEach(function (begin) { begin(map, self.page); });
      wangge.emit("started", map);
      document.documentElement.setAttribute("data-ready", "true");
    },

    node: function (id) { return document.getElementById(id); },

    // The label of a filter's value, as text; unknown ones are shown as they are.
    word: function (filter, value) {
      const found = self.label(filter, value);
      return found ? wangge.choose(found) : String(value === null || value === undefined ? "" : value);
    },

    // The same to be put into the page.
    named: function (filter, value) {
      const found = self.label(filter, value);
      return found ? wangge.words(found) : self.word(filter, value);
    },

    label: function (filter, value) {
      // a category may be newer than the page: the figures name those that they count
      const told = self.figures && self.figures["by_" + filter] || [];
      const is = function (choice) { return choice.value === value; };
      const found = (self.page.words[filter] || []).find(is) || told.find(is);
      return found ? found.label : null;
    },

    // [[lat, lng], …] rings of packed whole numbers
    unpack: function (shapes) {
      return shapes.map(function (rings) { return rings.map(self.unpack_line); });
    },

    unpack_line: function (steps) {
      const line = [];
      let lat = 0, lng = 0;
      for (let i = 0; i < steps.length; i += 2) {
        lat += steps[i];
        lng += steps[i + 1];
        line.push([lat / 1e6, lng / 1e6]);
      }
      return line;
    },

    grid: function (code) { return self.page.grids.find(function (grid) { return grid.code === code; }) || null; },

    // Names of grids: three digits within one community, the community's name before them otherwise.
    grid_name: function (grid) {
      if (!grid) return "";
      if (self.page.communities.length < 2) return grid.label;
      const community = self.page.communities.find(function (one) { return one.code === grid.community; });
      return (community ? (community.name || community.code) + " " : "") + grid.label;
    },

    // The parts of an instant by Beijing time, wherever the browser is.
    clock: function (instant) {
      const moved = new Date(new Date(instant).getTime() + BEIJING_MS);
      const two = function (value) { return String(value).padStart(2, "0"); };
      return {
        year: moved.getUTCFullYear(), day: two(moved.getUTCMonth() + 1) + "-" + two(moved.getUTCDate()),
        time: two(moved.getUTCHours()) + ":" + two(moved.getUTCMinutes()), date: moved.toISOString().slice(0, 10)
      };
    },

    // The time of an address ("begin/end", a date being its day in Beijing) as milliseconds; the end is no longer
    // part of it; null: open.
    period: function (asked) {
      const ends = asked.split("/"), date = /^\d{4}-\d\d-\d\d$/;
      const instant = function (text, after) {
        if (!text || text === "..") return null;
        const at = new Date(date.test(text) ? text + "T00:00:00+08:00" : text.toUpperCase()).getTime();
        if (Number.isNaN(at)) return null;
        // the last moment of a second is as good as the first of the next
        return !after ? at : date.test(text) ? at + 86400000 : at + (((at % 1000) + 1000) % 1000 === 999 ? 1 : 0);
      };
      return { begin: instant(ends[0], false), end: instant(ends[ends.length - 1], true) };
    },

    // The last day that has a part of the time.
    ending_day: function (period) { return self.clock(Math.max(period.end - 1, period.begin === null ? -Infinity : period.begin)).date; },

    // A time in dates, with the time of day only where it is not of whole days: [first, last]
    ends: function (period) {
      const first = period.begin === null ? null : self.clock(period.begin), last = period.end === null ? null : self.clock(period.end);
      const whole = (!first || first.time === "00:00") && (!last || last.time === "00:00");
      return [first ? first.date + (whole ? "" : " " + first.time) : "…", last ? whole ? self.ending_day(period) : last.date + " " + last.time : "…"];
    },

    // "12 minutes ago", "3 hours", "2 days": a length of time in the words of the page
    lasting: function (ms) {
      const minutes = Math.max(1, Math.round(ms / 60000));
      if (minutes < 60) return wangge.say("centre.minutes", { count: minutes });
      if (minutes < 48 * 60) return wangge.say("centre.hours_long", { count: Math.round(minutes / 60) });
      return wangge.say("centre.days", { count: Math.round(minutes / 1440) });
    },

    calm: function () { return window.matchMedia("(prefers-reduced-motion: reduce)").matches; },
    // a phone, upright or held sideways, or a tablet: as the style sheet has it
    narrow: function () { return window.innerWidth <= 1200 || window.innerHeight <= 520; },
    // a wall's letters; a phone that was sent a wall's address has no room for them
    big: function () { return self.view.wall && !self.narrow(); },
    sideways: function () { return self.narrow() && window.innerWidth > 560 && window.innerHeight <= 520; },

    // A short figure: 1,234; 12.5; 0.4
    short: function (value) {
      if (value === null || value === undefined) return "–";
      const size = Math.abs(value);
      return value.toLocaleString("en-US", { maximumFractionDigits: size >= 100 || Number.isInteger(value) ? 0 : 1 });
    },

    signed: function (value) { return (value > 0 ? "+" : value < 0 ? "−" : "±") + self.short(Math.abs(value)); },

    // What the panels leave of the map, as padding for fitBounds.
    room: function () {
      const size = self.map.getSize(), told = self.edges();
      const across = self.clamp(told[0], told[2], size.x), down = self.clamp(told[1], told[3], size.y);
      return { paddingTopLeft: [across[0], down[0]], paddingBottomRight: [across[1], down[1]] };
    },

    // Two margins that leave something between them, however small the window.
    clamp: function (before, after, length) {
      const most = Math.max(0, length - 80), share = Math.min(1, most / Math.max(1, before + after));
      return [before * share, after * share];
    },

    // left, top, right, bottom
    edges: function () {
      if (self.narrow()) {
        const box = function (id) {
          const node = self.node(id);
          return node && node.getClientRects().length ? node.getBoundingClientRect() : null;
        };
        const legend = box("cc-legend-sheet"), player = box("cc-player"), sideways = self.sideways();
        // an open legend is read together with the map; a player is a line of its own only when it is open
        const below = [box("cc-folded") || self.node("cc-folded").parentNode.getBoundingClientRect()];
        if (player && self.node("cc-player").classList.contains("cc-playing")) below.push(player);
        if (legend && !sideways) below.push(legend);
        const bottom = Math.min.apply(null, below.map(function (one) { return one.top; }));
        const right = legend && sideways ? window.innerWidth - legend.left + 8 : sideways ? 64 : 12;
        return [12, self.node("cc-themes").getBoundingClientRect().bottom + 8, right, window.innerHeight - bottom + 8];
      }
      // the legend stands beside what is to be seen, never on it
      const edge = function (id, side) {
        const node = self.node(id);
        if (!node || !node.getClientRects().length) return 16;
        const box = node.getBoundingClientRect();
        return side === "left" ? box.right + 16 : window.innerWidth - box.left + 16;
      };
      const themes = self.node("cc-themes").getBoundingClientRect();
      return [Math.max(edge("cc-left", "left"), edge("cc-legend", "left")), themes.bottom + 14, Math.max(edge("cc-right", "right"), edge("wg-in", "right")), 48];
    },

    // Say something once, in passing, where all can see it. link: what can be done about it; the words then stay.
    note: function (text, link) {
      const node = self.node("cc-note");
      node.replaceChildren(text);
      if (link) {
        const close = wangge.element("button", { type: "button", class: "wg-close", "aria-label": wangge.say("map.close"), title: wangge.say("map.close") }, "×");
        close.addEventListener("click", function () { self.note(""); });
        node.append(" ", link, close);
      }
      node.hidden = !text;
      clearTimeout(self.note_timer);
      if (text && !link) self.note_timer = setTimeout(function () { node.hidden = true; }, 6000);
    }
  };
  return self;
})();

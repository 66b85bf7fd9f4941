// Labels that do not collide: the rules of layers/labels.py, to the last digit.
(function () {
  "use strict";
  var GAP = 2, LEAST = 5, REACH = 76, STEP = 12, LINE = 3, CELL = 64;
  var HALF = 0.5, ROOT = 0.8660254037844386;
  var DIRECTIONS = [
    [1, 0], [-1, 0], [ROOT, -HALF], [-ROOT, -HALF], [ROOT, HALF], [-ROOT, HALF],
    [HALF, -ROOT], [-HALF, -ROOT], [HALF, ROOT], [-HALF, ROOT], [0, -1], [0, 1]
  ];

  function Taken() { this.cells = new Map(); }

  function each_cell(box, visit) {
    for (var column = Math.floor(box[0] / CELL); column <= Math.floor(box[2] / CELL); column++) {
      for (var row = Math.floor(box[1] / CELL); row <= Math.floor(box[3] / CELL); row++) {
        if (visit(column + ":" + row)) return true;
      }
    }
    return false;
  }

  Taken.prototype.add = function (box) {
    var cells = this.cells;
    each_cell(box, function (key) {
      if (!cells.has(key)) cells.set(key, []);
      cells.get(key).push(box);
    });
  };

  Taken.prototype.free = function (box) {
    var cells = this.cells;
    return !each_cell(box, function (key) {
      return (cells.get(key) || []).some(function (other) {
        return box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3];
      });
    });
  };

  function box_at(label, x, y) {
    var half = label.width / 2 + GAP, tall = label.height / 2 + GAP;
    return [x - half, y - tall, x + half, y + tall];
  }

  function along(line) {
    var across = line[2] - line[0], down = line[3] - line[1], boxes = [];
    var steps = Math.max(1, Math.ceil(Math.sqrt(across * across + down * down) / LINE));
    for (var step = 0; step <= steps; step++) {
      var x = line[0] + across * step / steps, y = line[1] + down * step / steps;
      boxes.push([x - LINE, y - LINE, x + LINE, y + LINE]);
    }
    return boxes;
  }

  // a label that is moved stays in the frame in which its place is
  function kept(label, frame, x, y) {
    if (!frame || label.x < frame[0] || label.y < frame[1] || label.x > frame[2] || label.y > frame[3]) return true;
    var half = label.width / 2, tall = label.height / 2;
    return x - half >= frame[0] && y - tall >= frame[1] && x + half <= frame[2] && y + tall <= frame[3];
  }

  function inside(label, taken, frame) {
    var half = label.width / 2, tall = label.height / 2;
    if (half > label.radius * 1.1 || tall > label.radius * 1.1) return null;
    if (taken.free(box_at(label, label.x, label.y))) return { x: label.x, y: label.y, line: null };
    var room = label.radius * 1.25;
    for (var ring = 1; ring <= 3; ring++) {
      var away = ring * label.radius * 0.28;
      for (var n = 0; n < DIRECTIONS.length; n++) {
        var across = DIRECTIONS[n][0], down = DIRECTIONS[n][1];
        if (Math.abs(across * away) + half > room || Math.abs(down * away) + tall > room) continue;
        var x = label.x + across * away, y = label.y + down * away;
        if (kept(label, frame, x, y) && taken.free(box_at(label, x, y))) return { x: x, y: y, line: null };
      }
    }
    return null;
  }

  function beside(label, taken, frame) {
    if (label.radius < LEAST) return null;
    var half = label.width / 2, tall = label.height / 2;
    function is_free(box) { return taken.free(box); }
    for (var away = label.radius + STEP; away <= REACH; away += STEP) {
      for (var n = 0; n < DIRECTIONS.length; n++) {
        var across = DIRECTIONS[n][0], down = DIRECTIONS[n][1];
        var x = label.x + across * (away + half), y = label.y + down * (away + tall);
        var line = [label.x, label.y, x - across * half, y - down * tall];
        if (kept(label, frame, x, y) && taken.free(box_at(label, x, y)) && along(line).every(is_free)) return { x: x, y: y, line: line };
      }
    }
    return null;
  }

  // labels: {x, y, radius, width, height, priority} in pixels → {x, y, line: [x, y, x, y] or null}, or null if hidden
  // frame: [west, north, east, south], out of which no label is moved
  wangge.place_labels = function (labels, obstacles, frame) {
    var taken = new Taken();
    (obstacles || []).forEach(function (box) { taken.add(box); });
    var order = labels.map(function (_, n) { return n; }).sort(function (a, b) {
      return (labels[b].priority || 0) - (labels[a].priority || 0) || labels[b].radius - labels[a].radius || a - b;
    });
    var placed = labels.map(function () { return null; });
    order.forEach(function (n) {
      var found = inside(labels[n], taken, frame) || beside(labels[n], taken, frame);
      if (!found) return;
      placed[n] = found;
      taken.add(box_at(labels[n], found.x, found.y));
      if (found.line) along(found.line).forEach(function (box) { taken.add(box); });
    });
    return placed;
  };
})();

# Kernel densities by R's spatstat, to compare ours with: Rscript tests/layers/spatstat.R > tests/layers/spatstat.json
# The quartic kernel of spatstat has the standard deviation sigma in x and in y, which is bandwidth / sqrt(8).
suppressPackageStartupMessages(library(spatstat.explore))
spatstat.options(npixel = 100)
bandwidth <- 100
pixel <- 2   # metres; cases lie at the middles of pixels, so that spatstat's own binning moves none
cell <- 10   # a figure is the mean over the pixels of a cell that lie inside

windows <- list(
  square = owin(c(0, 600), c(0, 400)),
  corner = owin(poly = list(x = c(0, 600, 600, 200, 200, 0), y = c(0, 0, 200, 200, 500, 500))),
  hole = owin(poly = list(
    list(x = c(0, 500, 500, 0), y = c(0, 0, 440, 440)),
    list(x = c(200, 200, 300, 300), y = c(160, 300, 300, 160)))),
  slant = owin(poly = list(x = c(0, 700, 300), y = c(0, 100, 520)))
)
set.seed(20261122)
numbers <- c(square = 150, corner = 60, hole = 400, slant = 90)

ring <- function(w) lapply(as.polygonal(w)$bdry, function(b) cbind(b$x, b$y))
show <- function(m) paste0("[", paste(apply(m, 1, function(r) paste0("[", paste(r, collapse = ","), "]")), collapse = ","), "]")

texts <- character()
for (name in names(windows)) {
  w <- windows[[name]]
  x <- runifpoint(4 * numbers[[name]], w)
  keep <- runif(npoints(x)) < 0.15 + 0.85 * exp(-((x$x - 180)^2 + (x$y - 120)^2) / (2 * 120^2))
  at <- cbind(2 * floor(x$x / 2) + 1, 2 * floor(x$y / 2) + 1)[keep, ]
  at <- at[inside.owin(at[, 1], at[, 2], w), ]
  cases <- suppressWarnings(ppp(at[, 1], at[, 2], window = w))
  d <- density.ppp(cases, sigma = bandwidth / sqrt(8), kernel = "quartic", edge = TRUE, eps = pixel)
  stopifnot(abs(d$xstep - pixel) < 1e-9, abs(d$ystep - pixel) < 1e-9)
  column <- floor(rep(d$xcol, each = length(d$yrow)) / cell)
  row <- floor(rep(d$yrow, length(d$xcol)) / cell)
  value <- as.vector(d$v)
  inside <- !is.na(value)
  means <- aggregate(value[inside], by = list(column = column[inside], row = row[inside]), FUN = mean)
  full <- aggregate(value[inside], by = list(column = column[inside], row = row[inside]), FUN = length)
  means$x <- signif(means$x * 1e6, 7)
  means <- means[full$x == (cell / pixel)^2, ]
  # every seventh cell is enough to commit
  means <- means[(means$column * 5 + means$row * 3) %% 7 == 0, ]
  texts <- c(texts, sprintf('"%s":{"rings":[%s],"cases":%s,"cells":%s}', name,
    paste(sapply(ring(w), show), collapse = ","), show(at), show(as.matrix(means))))
}
cat(sprintf('{"spatstat.explore":"%s","R":"%s","bandwidth_m":%d,"cell_m":%d,"unit":"cases per km²",\n"plots":{\n%s}}\n',
  packageVersion("spatstat.explore"), paste(R.version$major, R.version$minor, sep = "."), bandwidth, cell,
  paste(texts, collapse = ",\n")))

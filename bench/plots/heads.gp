# What a step of memories side by side takes, beside other ways to the same, against their number.
# Expects name (path of NAME.csv without its ending), format (svg or png) and title.
set datafile separator ','
set datafile missing NaN  # so that lines go on where rows of others lie between
if (format eq 'svg') {
  set terminal svg size 1200,500 font 'DejaVu Sans,13' background '#ffffff'
} else {
  set terminal pngcairo size 1200,500 font 'DejaVu Sans,10' background '#ffffff'
}
set output name.'.'.format
rows = name.'.csv'

# The ways, quoted, in the file's order: the library's own is the first.
ways = system(sprintf("awk -F'\"' 'NR > 1 && !seen[$2]++ { print \"\\\"\" $2 \"\\\"\" }' '%s'", rows))
colours = '#1f77b4 #d95f02 #7570b3 #888888'
of(way, value) = strcol('way') eq way ? value : NaN

set multiplot layout 1,2 title title
set grid linetype 1 linecolor '#e4e4e4'
set border 3
set tics nomirror
set logscale x 2
set logscale y
set format y '%g'
set xlabel 'heads'
set key top left reverse Left
set offsets graph 0, 0, graph 0.25, graph 0.05
set autoscale noextend

set ylabel 'µs a query'
plot for [k = 1:words(ways)] rows using 1:(of(word(ways, k), 1e6 * column('seconds_per_query'))) \
  with linespoints linewidth 2 pointtype 7 linecolor rgb word(colours, k) title word(ways, k)

set logscale y 2
set ylabel 'time over this library''s'
plot 1 with lines linewidth 2 linecolor rgb word(colours, 1) notitle, \
  for [k = 2:words(ways)] rows using 1:(of(word(ways, k), column('slower'))) \
  with linespoints linewidth 2 pointtype 7 linecolor rgb word(colours, k) title word(ways, k)
unset multiplot

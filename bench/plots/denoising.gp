# Samples of noise on their way to stored glyphs: how far they are, how sharp, how evenly they end up, and some of them.
# Expects name (path of NAME.csv and NAME-samples.csv without their endings), format (svg or png) and title.
set datafile separator ','
set datafile missing NaN  # so that lines go on where rows of others lie between
if (format eq 'svg') {
  set terminal svg size 1400,1100 font 'DejaVu Sans,13' background '#ffffff'
} else {
  set terminal pngcairo size 1400,1100 font 'DejaVu Sans,10' background '#ffffff'
}
set output name.'.'.format
rows = name.'.csv'
ways = system(sprintf("awk -F'\"' 'NR > 1 && !seen[$2]++ { print \"\\\"\" $2 \"\\\"\" }' '%s'", rows))
colours = '#d62728 #1f77b4 #2ca02c #e6a817'
of(way, value) = strcol('way') eq way ? value : NaN

# Panels side by side above, the samples below.
set multiplot title title
set size 0.333,0.4
set grid linetype 1 linecolor '#e4e4e4'
set border 3
set tics nomirror
set xlabel 'steps'
set xrange [0:*]

set origin 0,0.56
set ylabel 'distance from the nearest glyph, root mean square of a pixel'
set logscale y
set format y '%g'
set key bottom left reverse Left
plot for [k = 1:words(ways)] rows using 'steps':(of(word(ways, k), column('distance'))) \
  with linespoints linewidth 2 pointtype 7 pointsize 0.9 - 0.15 * k linecolor rgb word(colours, k) title word(ways, k)

set origin 0.333,0.56
set ylabel 'largest posterior at the step''s temperature, mean'
unset logscale y
set yrange [0:1.02]
unset key
plot for [k = 1:words(ways)] rows using 'steps':(of(word(ways, k), column('largest_posterior'))) \
  with linespoints linewidth 2 pointtype 7 pointsize 0.9 - 0.15 * k linecolor rgb word(colours, k)

set origin 0.666,0.56
set ylabel 'perplexity of where samples end'
set xlabel ''
set grid noxtics
set xrange [0.4:words(ways) + 0.6]
set yrange [0:*]
set xtics scale 0 ()
do for [k = 1:words(ways)] { set xtics add (word(ways, k) k) }
set boxwidth 0.6
set style fill solid noborder
set key top right
set offsets 0, 0, graph 0.15, 0
plot for [k = 1:words(ways)] rows using (k):(of(word(ways, k), column('perplexity'))) \
       with boxes linecolor rgb word(colours, k) notitle, \
     rows using (0.4 + 0 * $2):'even_perplexity':(words(ways) + 0.2):(0) \
       with vectors nohead dashtype 2 linecolor '#000000' title 'even draws'

# The picture has the ways below one another, and the rows of the table side by side.
samples = name.'-samples.csv'
lines = int(system(sprintf("grep -c '' '%s'", samples)))
columns = int(system(sprintf("awk -F, '{ print NF; exit }' '%s'", samples)))
steps = system(sprintf("awk -F, '$1 == \"\\\"%s\\\"\" { print $2 }' '%s'", word(ways, 1), rows))
wide = 1.0 * columns / words(steps)
high = 1.0 * lines / words(ways)
reset
set datafile separator ','
set origin 0,0
set size 1,0.56
set size ratio -1
set margins 12, 2, 3, 1
set palette gray negative
set cbrange [-1.5:1.5]
unset colorbox
unset border
unset key
set tics scale 0
set xlabel 'steps'
set xrange [-0.5:columns - 0.5]
set yrange [lines - 0.5:-0.5]
set xtics ()
do for [k = 1:words(steps)] { set xtics add (word(steps, k) wide * (k - 0.5)) }
set ytics ()
do for [k = 1:words(ways)] { set ytics add (word(ways, k) high * (k - 0.5)) }
plot samples matrix with image
unset multiplot
